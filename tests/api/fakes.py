"""The outside world of the API, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from postroom.delivery.attempt import Attempt
from postroom.delivery.notice import Notice
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask
from postroom.ports import Cursor, Found, Mark, Page, Task, Unavailable, UnknownCursor

Item = TypeVar("Item", Submission, Attempt)

_VERSIONS = count(1)


@dataclass
class Memory:
    """Submissions that are gone with the test. `down` makes every call fail as a home out of reach does."""

    stored: dict[str, Submission] = field(default_factory=dict)
    letters: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, list[Attempt]] = field(default_factory=dict)
    down: Exception | None = None
    read: int = 0  # pages of the list

    def create(self, submission: Submission, letter: bytes) -> Submission:
        self._reach()
        self.letters.setdefault(submission.id, letter)
        return self.stored.setdefault(submission.id, submission)

    def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
        offered, letter = letters[0]
        first = self.create(offered, letter)
        if not first.is_of_the_request_of(offered):
            return [first]
        return [first, *(self.create(*each) for each in letters[1:])]

    def get(self, submission: SubmissionId) -> Submission | None:
        self._reach()
        return self.stored.get(submission)

    def letter(self, submission: SubmissionId) -> bytes | None:
        self._reach()
        return self.letters.get(submission)

    def complete(self, submission: SubmissionId, letter: bytes) -> bytes | None:
        raise AssertionError(f"the API completes nothing: {submission}, {letter!r}")

    def erase(self, submission: Submission) -> None:
        self._reach()
        self.stored[submission.id] = submission
        self.letters.pop(submission.id, None)
        self.made.pop(submission.id, None)

    def purge(self, submission: SubmissionId) -> None:
        raise AssertionError(f"the API purges nothing: {submission}")

    def list(self, cursor: Cursor) -> Page[Submission]:
        self._reach()
        self.read += 1
        return _page([each for each in list(self.stored.values())[::-1] if _within(each, cursor)], cursor)

    def attempts(self, submission: SubmissionId, cursor: Cursor) -> Page[Attempt]:
        self._reach()
        return _page(self.made.get(submission, [])[::-1], cursor)

    def created_since(self, mark: Mark | None, until: datetime, limit: int) -> Sequence[Submission]:
        raise AssertionError(f"the API sweeps nothing: {mark}, {until}, {limit}")

    def find(self, submission: SubmissionId, number: int) -> Found | None:
        self._reach()
        stored = self.stored.get(submission)
        if stored is None or number >= len(stored.parcels):
            return None
        return Found(replace(stored, parcels=()), stored.parcels[number])

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        self._reach()
        stored = self.stored[parcel.submission]
        parcels = list(stored.parcels)
        if parcels[parcel.number].version != parcel.version:
            return None
        parcels[parcel.number] = replace(parcel, version=str(next(_VERSIONS)))
        self.stored[parcel.submission] = replace(stored, parcels=tuple(parcels))
        if attempt is not None:
            self.made.setdefault(parcel.submission, []).append(attempt)
        return parcels[parcel.number]

    def _reach(self) -> None:
        if self.down:
            raise self.down


@dataclass
class Tasks:
    """A schedule that only keeps what was put."""

    put_: list[tuple[DeliveryTask, datetime]] = field(default_factory=list)
    notices: list[tuple[Notice, datetime]] = field(default_factory=list)
    canceled: list[Task] = field(default_factory=list)
    down: Unavailable | None = None

    def put(self, task: Task, not_before: datetime) -> None:
        self.put_many([(task, not_before)])

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        if self.down:
            raise self.down
        self.put_ += ((task, at) for task, at in tasks if isinstance(task, DeliveryTask))
        self.notices += ((task, at) for task, at in tasks if isinstance(task, Notice))

    def cancel(self, task: Task) -> None:
        if self.down:
            raise self.down
        self.canceled.append(task)


@dataclass
class Drawer:
    """A directory that is gone with the test."""

    documents: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    down: Unavailable | None = None
    looked: int = 0  # how often

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        self.looked += 1
        if self.down:
            raise self.down
        return self.documents.get((kind, key))

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.documents.setdefault((kind, key), document)

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self.documents[kind, key] = document

    def get_many(self, kind: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        found = {key: self.get(kind, key) for key in keys}
        return {key: document for key, document in found.items() if document is not None}

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        if self.documents.get((kind, key)) != over:
            return False
        self.documents[kind, key] = document
        return True

    def delete(self, kind: str, key: str) -> bool:
        return self.documents.pop((kind, key), None) is not None

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        found = sorted((key, each) for (its_kind, key), each in self.documents.items() if its_kind == kind)
        return [(key, each) for key, each in found if key > after][:limit]


def _within(submission: Submission, cursor: Cursor) -> bool:
    since, until = cursor.since or submission.created_at, cursor.until
    return not submission.erased and since <= submission.created_at and (until is None or submission.created_at < until)


def _page(newest_first: Sequence[Item], cursor: Cursor) -> Page[Item]:
    ids = [str(item.id) for item in newest_first]
    if cursor.after is None and cursor.before is None:
        start, end = 0, cursor.limit
    else:
        asked = cursor.after or cursor.before or ""
        if asked not in ids:
            raise UnknownCursor(asked)
        place = ids.index(asked)
        start, end = (place + 1, place + 1 + cursor.limit) if cursor.after else (max(0, place - cursor.limit), place)
    has_more = start > 0 if cursor.before else end < len(ids)
    return Page(tuple(newest_first[start:end]), has_more)
