"""Submissions in SQLite: a row a parcel, changed only as long as it is what was read."""

from __future__ import annotations

import builtins
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from postroom.clouds.local.database import Database, Row
from postroom.clouds.local.letters import LetterFiles
from postroom.clouds.local.schedule import LocalSchedule
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId, microseconds, write_json
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Found, Mark, Page, UnknownCursor

INLINE = 256 * 1024
"""Letters up to this many octets are kept in the database, larger ones as files."""


class LocalSubmissions:
    """Implements `Submissions` over the database, with large letters as files beside it."""

    def __init__(self, database: Database, schedule: LocalSchedule | None = None) -> None:
        """With a `schedule`, what creates a submission puts its first tasks as well: it is all one write then."""
        self._database = database
        self._schedule = schedule
        self._letters = LetterFiles(database.folder / "letters")

    def create(self, submission: Submission, letter: bytes) -> Submission:
        if len(letter) > INLINE and (there := self.get(submission.id)) is not None:
            self._database.flush()
            return there
        new = self._new(submission, letter)
        # Each parcel of one submission has a next hop of its own, so no two could travel together.
        tasks = [(each.task(), submission.due(each)) for each in submission.parcels if each.open]
        if self._schedule is not None:
            new = replace(new, also=self._schedule.putting(tasks))
        while not self._database.write(new.insert):
            stored = self.get(submission.id)
            if stored is not None:
                return stored
        if self._schedule is not None:
            self._schedule.put_along(tasks)
        return submission

    def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
        """All of them in one transaction, so that where it raises none is stored."""
        ids = [submission.id for submission, _ in letters]
        there = self.get_many(ids) if any(len(letter) > INLINE for _, letter in letters) else {}
        while letters:
            first = there.get(ids[0])
            if first is not None and not first.is_of_the_request_of(letters[0][0]):
                self._database.flush()
                return [first]
            new = [self._new(*each) for each in letters if each[0].id not in there]
            if self._database.write(_inserting(new)):
                break
            there = self.get_many(ids)
        return [there.get(submission.id, submission) for submission, _ in letters]

    def _new(self, submission: Submission, letter: bytes) -> _New:
        """In its stored form. Everything is put into it out here, since others wait for whoever is inside."""
        packed: bytes | None = letter
        file = None
        if len(letter) > INLINE:
            # The file goes first: a crash after it leaves an orphan, a crash before it would leave no letter.
            file, packed = self._letters.put(_as_created(submission), letter), None
        head = (str(submission.id), microseconds(submission.created_at), write_json(submission.record()))
        return _New(head, [(each.number, write_json(each.record())) for each in submission.parcels], packed, file)

    def get(self, submission: SubmissionId) -> Submission | None:
        rows = self._database.read(
            """SELECT s.number, s.head, p.record FROM submissions s LEFT JOIN parcels p ON p.submission = s.number
               WHERE s.id = ? ORDER BY p.number""",
            submission,
        )
        return next(iter(_submissions(rows)), None)

    def get_many(self, submissions: Sequence[SubmissionId]) -> dict[SubmissionId, Submission]:
        """Those that are there, by their ids."""
        rows = self._database.read(
            """SELECT s.number, s.head, p.record FROM submissions s LEFT JOIN parcels p ON p.submission = s.number
               WHERE s.id IN (SELECT value FROM json_each(?)) ORDER BY s.number, p.number""",
            json.dumps(submissions),
        )
        return {each.id: each for each in _submissions(rows)}

    def letter(self, submission: SubmissionId) -> bytes | None:
        rows = self._database.read(
            """SELECT l.packed, l.file FROM submissions s JOIN letters l ON l.submission = s.number WHERE s.id = ?""",
            submission,
        )
        for packed, file in rows:
            return packed if file is None else self._letters.get(file)
        return None

    def complete(self, submission: SubmissionId, letter: bytes) -> bytes | None:
        head = self.get(submission)
        if head is None or head.erased:
            return None
        file = self._letters.put(_as_completed(head), letter) if len(letter) > INLINE else None
        row = (None if file else letter, file, submission)
        self._database.write(
            lambda connection: connection.execute(
                """UPDATE letters SET packed = ?, file = ?, completed = 1
                   WHERE submission = (SELECT number FROM submissions WHERE id = ?) AND NOT completed""",
                row,
            )
        )
        stored = self.letter(submission)
        if stored is None and file is not None:  # it was erased meanwhile
            self._letters.drop(_as_completed(head))
        return stored

    def erase(self, submission: Submission) -> None:
        self._drop_files(submission)
        erased = (write_json(submission.record()), submission.id)

        def work(connection: Connection) -> None:
            _erase(connection, submission.id)
            connection.execute("UPDATE submissions SET head = ?, erased = 1 WHERE id = ?", erased)

        self._database.write(work)

    def purge(self, submission: SubmissionId) -> None:
        head = self.get(submission)
        if head is None:
            return
        self._drop_files(head)

        def work(connection: Connection) -> None:
            _erase(connection, submission)
            connection.execute("DELETE FROM submissions WHERE id = ?", (submission,))

        self._database.write(work)

    def _drop_files(self, submission: Submission) -> None:
        """Before the rows: a crash in between leaves rows that are erased again, and no file that nobody knows of."""
        for name in (_as_created(submission), _as_completed(submission)):
            self._letters.drop(name)

    def list(self, cursor: Cursor) -> Page[Submission]:
        conditions, values = ["NOT erased"], list[Any]()
        beyond, order = _direction(cursor)
        if cursor.mark is not None:
            values += self._start("SELECT created_at, number FROM submissions WHERE id = ?", cursor.mark)
            conditions.append(f"(created_at, number) {beyond} (?, ?)")
        for bound, condition in ((cursor.since, "created_at >= ?"), (cursor.until, "created_at < ?")):
            if bound is not None:
                conditions.append(condition)
                values.append(microseconds(bound))
        rows = self._database.read(
            f"""SELECT s.number, s.head, p.record FROM (
                    SELECT number, created_at, head FROM submissions
                    WHERE {" AND ".join(conditions)}
                    ORDER BY created_at {order}, number {order} LIMIT ?
                ) s LEFT JOIN parcels p ON p.submission = s.number
                ORDER BY s.created_at {order}, s.number {order}, p.number""",  # noqa: S608  no values in it
            *values,
            cursor.limit + 1,
        )
        return Page.of(cursor, _submissions(rows))

    def created_since(self, mark: Mark | None, until: datetime, limit: int) -> Sequence[Submission]:
        start: Row = () if mark is None else (microseconds(mark.created_at), mark.id)
        rows = self._database.read(
            f"""SELECT s.number, s.head, p.record FROM (
                    SELECT number, id, created_at, head FROM submissions
                    WHERE NOT erased AND created_at < ? {"AND (created_at, id) > (?, ?)" if start else ""}
                    ORDER BY created_at, id LIMIT ?
                ) s LEFT JOIN parcels p ON p.submission = s.number
                ORDER BY s.created_at, s.id, p.number""",  # noqa: S608  no values in it
            microseconds(until),
            *start,
            limit,
        )
        return _submissions(rows)

    def attempts(self, submission: SubmissionId, cursor: Cursor) -> Page[Attempt]:
        start: Row = ()
        if cursor.mark is not None:
            start = self._start(
                """SELECT a.started_at, a.number FROM submissions s JOIN attempts a ON a.submission = s.number
                   WHERE a.id = ? AND s.id = ?""",
                cursor.mark,
                submission,
            )
        beyond, order = _direction(cursor)
        rows = self._database.read(
            f"""SELECT a.record FROM submissions s JOIN attempts a ON a.submission = s.number
                WHERE s.id = ? {f"AND (a.started_at, a.number) {beyond} (?, ?)" if start else ""}
                ORDER BY a.started_at {order}, a.number {order} LIMIT ?""",  # noqa: S608
            submission,
            *start,
            cursor.limit + 1,
        )
        return Page.of(cursor, [_attempt(record) for (record,) in rows])

    def newest_attempt(self) -> int:
        """The number of the attempt that was recorded last, 0 before the first."""
        ((number,),) = self._database.read("SELECT coalesce(max(number), 0) FROM attempts")
        return int(number)

    def attempts_after(self, number: int) -> builtins.list[tuple[int, Attempt]]:
        """The attempts for all submissions that were recorded since that one, with their numbers; 100 at most."""
        rows = self._database.read(
            "SELECT number, record FROM attempts WHERE number > ? ORDER BY number LIMIT 100", number
        )
        return [(number, _attempt(record)) for number, record in rows]

    def find(self, submission: SubmissionId, number: int) -> Found | None:
        rows = self._database.read(
            """SELECT s.head, p.record, l.packed FROM submissions s
               JOIN parcels p ON p.submission = s.number LEFT JOIN letters l ON l.submission = s.number
               WHERE s.id = ? AND p.number = ?""",
            submission,
            number,
        )
        for head, record, letter in rows:
            return Found(Submission.from_record(json.loads(head), ()), _parcel(record), letter)
        return None

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        # Everything is put into its stored form out here, since others wait for whoever is inside.
        id_, record = parcel.submission, write_json(parcel.record())
        row = None if attempt is None else zlib.compress(write_json(attempt.record()).encode(), 1)

        def work(connection: Connection) -> bool:
            updated = connection.execute(
                """UPDATE parcels SET record = ?
                   WHERE submission = (SELECT number FROM submissions WHERE id = ?) AND number = ? AND record = ?""",
                (record, id_, parcel.number, parcel.version),
            )
            if updated.rowcount and attempt is not None:
                connection.execute(
                    """INSERT OR REPLACE INTO attempts (submission, started_at, id, record)
                       SELECT number, ?, ?, ? FROM submissions WHERE id = ?""",
                    (microseconds(attempt.started_at), attempt.id, row, id_),
                )
            return updated.rowcount == 1

        return replace(parcel, version=record) if self._database.write(work) else None

    def _start(self, query: str, mark: str, *parameters: str) -> Row:
        """Where in its order the row lies that a cursor names."""
        rows = self._database.read(query, mark, *parameters)
        if not rows:
            raise UnknownCursor(mark)
        return rows[0]


@dataclass(frozen=True, slots=True)
class _New:
    """The rows of a submission that isn't there yet."""

    head: Row
    parcels: builtins.list[Row]
    packed: bytes | None
    file: str | None
    also: Callable[[Connection], object] = lambda _: None  # is done with it

    def insert(self, connection: Connection) -> bool:
        """False, with nothing done, where it is there."""
        added = connection.execute(
            "INSERT INTO submissions (id, created_at, head) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING", self.head
        )
        if added.rowcount == 0:
            return False
        row = added.lastrowid
        connection.execute(
            "INSERT INTO letters (submission, packed, file) VALUES (?, ?, ?)", (row, self.packed, self.file)
        )
        for parcel in self.parcels:
            connection.execute("INSERT INTO parcels (submission, number, record) VALUES (?, ?, ?)", (row, *parcel))
        self.also(connection)
        return True


def _inserting(new: Sequence[_New]) -> Callable[[Connection], bool]:
    """What inserts all of them; False, with nothing done, where one is there."""
    ids = json.dumps([each.head[0] for each in new])

    def insert(connection: Connection) -> bool:
        there = "SELECT EXISTS (SELECT 1 FROM submissions WHERE id IN (SELECT value FROM json_each(?)))"
        if connection.execute(there, (ids,)).fetchone() == (1,):
            return False
        return all(each.insert(connection) for each in new)

    return insert


def _as_created(submission: Submission) -> str:
    """The name of its letter's file. The fingerprint keeps another request under the same id from writing over it."""
    return f"{submission.id}-{submission.fingerprint}"


def _as_completed(submission: Submission) -> str:
    """The name of the file once the letter has all it encloses: whoever still reads the other must find it."""
    return f"{_as_created(submission)}-completed"


def _erase(connection: Connection, submission: SubmissionId) -> None:
    """All rows of a submission but its own."""
    for table in ("attempts", "parcels", "letters"):
        connection.execute(
            f"DELETE FROM {table} WHERE submission = (SELECT number FROM submissions WHERE id = ?)",  # noqa: S608
            (submission,),
        )


def _attempt(record: bytes) -> Attempt:
    return Attempt.from_record(json.loads(zlib.decompress(record)))


def _direction(cursor: Cursor) -> tuple[str, str]:
    """How to compare with the cursor's row, and the order in which the nearest of what is beyond it come first."""
    return (">", "ASC") if cursor.newer else ("<", "DESC")


def _parcel(record: str) -> Parcel:
    return Parcel.from_record(json.loads(record), record)


def _submissions(rows: builtins.list[Row]) -> builtins.list[Submission]:
    """From rows of (number, head, parcel's record), those of one submission together."""
    heads: dict[int, tuple[str, builtins.list[Parcel]]] = {}
    for number, head, record in rows:
        _, parcels = heads.setdefault(number, (head, []))
        if record is not None:
            parcels.append(_parcel(record))
    return [Submission.from_record(json.loads(head), parcels) for head, parcels in heads.values()]
