"""One process's writing to the SQLite file: what its threads write at the same time shares one transaction.

A flush to the disk costs the same for one letter as for twenty. So the thread that finds nobody writing
leads: it commits whatever is waiting, and flushes it. What comes in meanwhile waits, and one of those leads next.

SQLite itself would flush while the writers of other processes wait for the lock. So it doesn't flush commits at all,
and its log is flushed here, once the lock is given back: then the flushes of several processes overlap. A failure of
the power takes commits from the log's end only, so that nothing that was made of a commit outlives it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from postroom.clouds.local.locks import open_lock

_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # which macOS doesn't have

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_TOGETHER = 64  # pieces of work in one transaction at most, so that nobody waits long for another's


class _Piece:
    """A thread's work, and what became of it. The thread waits at `gate` for the end of it or for the lead."""

    __slots__ = ("durable", "error", "gate", "leads", "settled", "value", "work")

    def __init__(self, work: Work[Any], durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.gate = Lock()
        self.gate.acquire()
        self.leads = False
        self.settled = False
        self.value: Any = None
        self.error: BaseException | None = None


class Writer:
    """The writing connection, opened at the first write. Writers of several processes queue at the file `lock`."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], lock: Path, log: Path) -> None:
        """`log` is SQLite's write-ahead log, which is there once something was read or written."""
        self._connect = connect
        self._lock = lock
        self._log = log
        self._open: tuple[sqlite3.Connection, int, int] | None = None
        self._unflushed: OSError | None = None  # why nothing that this process writes can be durable any more
        self._mutex = Lock()  # guards the two below
        self._waiting: deque[_Piece] = deque()
        self._led = False

    def write(self, work: Work[T], durable: bool) -> T:
        """What `work` returned, committed. Raises what it raised, or sqlite3.Error or OSError, all of it undone.

        Where it is the flush that fails, the work is done, and may be lost; so it is with all that come after it.
        """
        piece = _Piece(work, durable)
        with self._mutex:
            self._waiting.append(piece)
            piece.leads = first = not self._led
            self._led = True
        if not first:  # even if it was given the lead by now: its gate is open then, and has to be shut again
            self._wait(piece)
        if piece.leads:
            self._lead()
        if piece.error is not None:
            raise piece.error
        return piece.value  # type: ignore[no-any-return]

    def close(self) -> None:
        if self._open is not None:
            connection, *files = self._open
            self._open = None
            for file in files:
                os.close(file)
            connection.close()

    def _wait(self, piece: _Piece) -> None:
        try:
            piece.gate.acquire()
        except BaseException:
            # A signal called this thread away. The lead must not be left with somebody who is gone.
            with self._mutex:
                if not piece.leads and piece in self._waiting:
                    self._waiting.remove(piece)
            if piece.leads:
                self._lead()
            raise

    def _lead(self) -> None:
        with self._mutex:
            batch = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
        try:
            self._commit(batch)
            self._make_last(batch)
        finally:
            with self._mutex:
                self._led = bool(self._waiting)
                if self._led:
                    self._waiting[0].leads = True
                    self._waiting[0].gate.release()
            for piece in batch:
                if not piece.settled:
                    piece.error = sqlite3.OperationalError("the write was interrupted")
                piece.gate.release()

    def _commit(self, batch: list[_Piece]) -> None:
        try:
            self._transaction(batch)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error, batch[0].settled = error, True
                return
            # Nothing of it is done. Whose fault it was shows when each is done alone, and no other bears it.
            for piece in batch:
                self._commit([piece])

    def _make_last(self, batch: list[_Piece]) -> None:
        """Flush what was committed of it."""
        done = [piece for piece in batch if not piece.settled]
        if any(piece.durable for piece in done):
            self._flush_log()
        for piece in done:
            piece.error = self._unflushed if piece.durable else None
            piece.settled = True

    def _flush_log(self) -> None:
        _, _, log = self._opened()
        try:
            if self._unflushed is None:
                _flush(log)
        except OSError as error:
            # The kernel says it once, and forgets. What the log lacks now would take with it whatever comes after.
            self._unflushed = error

    def _transaction(self, batch: list[_Piece]) -> None:
        connection, lock, _ = self._opened()
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for piece in batch:
                    piece.value = piece.work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)

    def _opened(self) -> tuple[sqlite3.Connection, int, int]:
        """The connection, and descriptors of the lock and of the log."""
        if self._open is None:
            with ExitStack() as undone:
                lock = open_lock(self._lock)
                undone.callback(os.close, lock)
                connection = undone.enter_context(closing(self._connect()))
                connection.execute("PRAGMA schema_version").fetchall()  # from here on the log is there, and stays
                log = os.open(self._log, os.O_RDWR | os.O_CLOEXEC)
                self._open = (connection, lock, log)
                undone.pop_all()
        return self._open
