"""The one SQLite file of a machine: plain reads, and durable writes that share a flush.

Everything that postroom keeps on one machine is in the schema below. Records are JSON; the columns beside
them are what a query or a condition needs. Times are whole microseconds since 1970.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from postroom.clouds.local.folders import flush_folder, make_folder
from postroom.clouds.local.locks import locked
from postroom.clouds.local.writer import Writer
from postroom.ports import Unavailable

T = TypeVar("T")
Row = tuple[Any, ...]

VERSION = 4

SCHEMA = """
CREATE TABLE submissions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    head TEXT NOT NULL,
    erased INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX submissions_by_creation ON submissions (created_at);

CREATE TABLE letters (
    submission INTEGER PRIMARY KEY,
    packed BLOB,           -- or NULL where the letter is
    file TEXT,             -- a file of its own
    completed INTEGER NOT NULL DEFAULT 0  -- with the files that it lacked when it was created
);

CREATE TABLE parcels (
    submission INTEGER NOT NULL,
    number INTEGER NOT NULL,
    record TEXT NOT NULL,  -- it is its own version: a change names the whole record that it was made from
    PRIMARY KEY (submission, number)
) WITHOUT ROWID;

CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    submission INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    id TEXT NOT NULL,
    record BLOB NOT NULL   -- JSON, compressed: transcripts are most of what is kept
);
CREATE UNIQUE INDEX attempts_by_submission ON attempts (submission, id);

CREATE TABLE documents (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE tasks (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    body BLOB,
    not_before INTEGER NOT NULL,
    destination TEXT,      -- whom it is for: one destination's tasks must not keep the others' waiting
    retries INTEGER NOT NULL DEFAULT 0,
    executions INTEGER NOT NULL DEFAULT 0,
    response INTEGER,      -- the last answer, where there was one
    reason TEXT,           -- why it is tried again
    done_at INTEGER        -- set: a tombstone, which keeps the name taken for an hour
);
CREATE INDEX tasks_by_time ON tasks (queue, not_before, destination) WHERE done_at IS NULL;
CREATE INDEX tombstones_by_time ON tasks (done_at) WHERE done_at IS NOT NULL;
"""

CHANGES = {
    1: "ALTER TABLE parcels DROP COLUMN claim; ALTER TABLE parcels DROP COLUMN lease_until;",
    2: "ALTER TABLE tasks ADD COLUMN destination TEXT; DROP INDEX tasks_by_time;"
    "CREATE INDEX tasks_by_time ON tasks (queue, not_before, destination) WHERE done_at IS NULL;",
    3: "ALTER TABLE submissions ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE letters ADD COLUMN completed INTEGER NOT NULL DEFAULT 0;",
}
"""What takes a file from one version to the next."""

# SQLite waits for locks by sleeping, up to 100 ms at a time. Our writers queue for a lock of their own
# before they come to it, so this only bridges the recovery of the file after a crash.
_BUSY_TIMEOUT = 10.0

# The log is written back into the file once it holds so many pages, while all writers wait. The more there are, the
# more of them are later states of one page, of which only the last is written.
_LOG_PAGES = 4000


class Database:
    """The file `postroom.sqlite3` in `folder`, and this process's connections to it.

    Connections are opened when first needed, and never shared with a process that was forked off. Fork while
    nothing is read or written, though: SQLite's own notes of who holds which lock are copied with the rest.
    Any error of SQLite's is raised as `Unavailable`, with nothing of the write done. What is read may not be flushed
    yet, if it was written just now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "postroom.sqlite3"
        self._log = folder / "postroom.sqlite3-wal"
        self._lock = folder / "write.lock"
        # What a parent opened stays where it is, unused: even closing it could touch the file.
        self._by_process: dict[int, _Connections] = {}

    def prepare(self) -> None:
        """Make the folder, the file, its schema and its write-ahead log, where they aren't there yet.

        For the supervisor to call before it starts anybody; safe to call at the same time twice. Raises
        `Unavailable` where it can't, or where the file was written by a newer postroom.
        """
        try:
            make_folder(self.folder)
            with locked(self._lock):
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own files beside it follow it
                connection = _connect(self._file, "rwc")
                try:
                    _prepare(connection)
                finally:
                    connection.close()
            flush_folder(self.folder)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"{self._file} can't be prepared: {error}") from error

    def read(self, query: str, *parameters: Any) -> list[Row]:
        """The rows of one query, all from one moment."""
        idle = self._connections.readers
        try:
            try:
                connection = idle.pop()
            except IndexError:
                connection = _connect(self._file, "rw")
            try:
                return connection.execute(query, parameters).fetchall()
            finally:
                idle.append(connection)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._file} can't be read: {error}") from error
        except UnicodeEncodeError:
            return []  # a key that UTF-8 can't write was never stored

    def write(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Do `work` in a transaction, durable on return, and hand back what it returned.

        The work of several threads may share one transaction and one flush. An exception of `work` undoes
        that work alone and is raised here. It may be called a second time, after the first was undone.
        Without `durable` a failure of the power (and nothing less) may undo it. A durable one makes all last that was
        written before, by whomever. Where it can't be flushed, `Unavailable` is raised although it may have been done.
        """
        try:
            return self._connections.writer.write(work, durable)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"{self._file} can't be written: {error}") from error

    def flush(self) -> None:
        """Make last what was read."""
        self.write(lambda _: None)

    def close(self) -> None:
        """Close this process's connections. The next call opens them anew."""
        connections = self._by_process.pop(os.getpid(), None)
        if connections is not None:
            connections.close()

    @property
    def _connections(self) -> _Connections:
        mine = self._by_process.get(os.getpid())
        if mine is None:
            mine = _Connections(Writer(lambda: _connect(self._file, "rw"), self._lock, self._log))
            # Two threads may come here at once; `setdefault` lets one of them win.
            mine = self._by_process.setdefault(os.getpid(), mine)
        return mine


class _Connections:
    """One process's: a writer, and the readers that nobody is using."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.readers: list[sqlite3.Connection] = []

    def close(self) -> None:
        self.writer.close()
        while self.readers:
            self.readers.pop().close()


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")  # the writer flushes by itself
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA secure_delete = ON")  # what is erased is written over, as some builds do anyway
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    if version > VERSION:
        raise Unavailable(f"the data is of version {version}, and this postroom knows {VERSION} at most")
    if version == 0:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    change = SCHEMA if version == 0 else "".join(CHANGES[step] for step in range(version, VERSION))
    connection.executescript(f"BEGIN; {change} PRAGMA user_version = {VERSION}; COMMIT;")
