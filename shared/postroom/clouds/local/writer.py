"""One process's writing to the SQLite file: what its threads write at the same time shares one transaction.

A flush to the disk costs the same for one letter as for twenty. So the thread that finds nobody writing
leads: it commits whatever is waiting. What comes in meanwhile waits, and one of those leads next.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from postroom.clouds.local.locks import open_lock

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

    def __init__(self, connect: Callable[[], sqlite3.Connection], lock: Path) -> None:
        self._connect = connect
        self._lock = lock
        self._open: tuple[sqlite3.Connection, int] | None = None
        self._durable = True
        self._mutex = Lock()  # guards the two below
        self._waiting: deque[_Piece] = deque()
        self._led = False

    def write(self, work: Work[T], durable: bool) -> T:
        """What `work` returned, committed. Raises what it raised, or sqlite3.Error or OSError, all of it undone."""
        piece = _Piece(work, durable)
        with self._mutex:
            self._waiting.append(piece)
            piece.leads, self._led = not self._led, True
        if not piece.leads:
            self._wait(piece)
        if piece.leads:
            self._lead()
        if piece.error is not None:
            raise piece.error
        return piece.value  # type: ignore[no-any-return]

    def close(self) -> None:
        if self._open is not None:
            connection, lock = self._open
            self._open = None
            connection.close()
            os.close(lock)

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
        else:
            for piece in batch:
                piece.settled = True

    def _transaction(self, batch: list[_Piece]) -> None:
        connection, lock = self._opened()
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            self._flush_at_commit(connection, any(piece.durable for piece in batch))
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

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        if self._open is None:
            lock = open_lock(self._lock)
            try:
                self._open = (self._connect(), lock)
            except BaseException:
                os.close(lock)
                raise
        return self._open

    def _flush_at_commit(self, connection: sqlite3.Connection, durable: bool) -> None:
        if durable != self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
