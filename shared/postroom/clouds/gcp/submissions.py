"""Submissions in Firestore: a document for each, which holds its letter, and its parcel where it has only one.

submissions/{id}                    the head, the letter; the only parcel, with the first attempt at it
submissions/{id}/parcels/{number}   a parcel with the first attempt at it, where there are several
submissions/{id}/attempts/{id}      each further attempt, and what is too large to ride along

Of one that is erased the first is left with a stripped head, and without a shard, so that no query finds it.
A healthy letter for one next hop costs three writes and one read. Nothing is changed by a transaction that reads
first: every change is one commit with a precondition.

The queries of `listing` need the composite indexes (shard, created_at, __name__), one ascending and one descending
from created_at on, for `submissions`; that of `attempts` the automatic index on started_at. Every other field of the
three collections, created_at by itself among them, should be exempt from the automatic indexes: an index whose keys
only rise holds its collection down to 500 writes a second
(https://cloud.google.com/firestore/native/docs/best-practices), which is what the shards are for.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.at_once import at_once
from postroom.clouds.gcp import attempts, heads, parcels
from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.documents import Create, Documents, Path, Put, Refused, Update
from postroom.clouds.gcp.letters import COMPLETED, OBJECTS, Letters
from postroom.clouds.gcp.letters import FIELDS as LETTER
from postroom.clouds.gcp.listing import Listing
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Found, Mark, Page, Unavailable

# Of one commit. Firestore takes 10 MiB (https://cloud.google.com/firestore/quotas), its emulator 4 MiB.
_MOST_WRITES = 500
_MOST_OCTETS = 2 * 1024 * 1024  # of records and letters; what is around them is small


class FirestoreSubmissions:
    """Implements `Submissions` over Firestore, and over Cloud Storage for large letters, which are in `bucket`."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._documents = Documents(clients)
        self._letters = Letters(clients, bucket)
        self._listing = Listing(self._documents)
        self._attempts = attempts.Attempts(self._documents)

    def create(self, submission: Submission, letter: bytes) -> Submission:
        return self._commit([self._new(submission, letter)])[0]

    def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
        """In few commits, of which the first is done before the others begin."""
        if not letters:
            return ()
        first, *others = _in_commits(at_once(lambda each: self._new(*each), letters))
        stored = self._commit(first)
        if len(stored) == len(first):
            stored += [each for several in at_once(self._commit, others) for each in several]
        return stored

    def _new(self, submission: Submission, letter: bytes) -> _New:
        path = heads.path(submission.id)
        if path is None:
            raise ValueError(f"a submission's id is letters, digits, '_' and '-': {submission.id!r}")
        head = Create(path, {**heads.fresh(submission), **self._letters.keep(submission, letter)})
        if len(submission.parcels) == 1:
            head.fields.update(parcels.fresh(submission.parcels[0]))
            return _New(submission, path, [head])
        apart = [Put(parcels.path(path, each.number), parcels.fresh(each)) for each in submission.parcels]
        return _New(submission, path, [head, *apart])

    def _commit(self, new: builtins.list[_New]) -> builtins.list[Submission]:
        """What is stored of each; of the first alone, where that is there already and of another request."""
        there: dict[str, Submission] = {}
        while left := [each for each in new if each.submission.id not in there]:
            try:
                self._documents.commit(*(write for each in left for write in each.writes))
            except Refused:
                found = self._documents.read([each.path for each in new], heads.FIELDS)
                stored = heads.read_whole(self._documents, [each for each in found if each is not None])
                there = {each.id: each for each in stored}
                first = there.get(new[0].submission.id)
                if first is not None and not first.is_of_the_request_of(new[0].submission):
                    return [first]
            else:
                break
        return [there.get(each.submission.id, each.submission) for each in new]

    def get(self, submission: SubmissionId) -> Submission | None:
        path = heads.path(submission)
        head = None if path is None else self._documents.get(path, heads.FIELDS)
        return None if head is None else heads.read_whole(self._documents, [head])[0]

    def letter(self, submission: SubmissionId) -> bytes | None:
        path = heads.path(submission)
        head = None if path is None else self._documents.get(path, LETTER)
        return None if head is None else self._letters.read(head.fields)

    def complete(self, submission: SubmissionId, letter: bytes) -> bytes | None:
        path = heads.path(submission)
        while path is not None and (head := self._documents.get(path, (*LETTER, COMPLETED))) is not None:
            stored = self._letters.read(head.fields)
            if head.fields.get(COMPLETED) or stored is None:
                return stored
            fields = self._letters.complete(head.fields, submission, letter)
            try:
                self._documents.commit(Update(path, fields, head.updated))
            except Refused:
                # Somebody was faster, if only with a parcel in the same document; or we were, and the answer was lost.
                after = self._documents.get(path, ("letter_object",))
                if after is None or after.fields.get("letter_object") != fields["letter_object"]:
                    self._letters.drop({"letter_object": fields["letter_object"]})
            else:
                return letter
        return None

    def erase(self, submission: Submission) -> None:
        path = heads.path(submission.id)
        if path is not None and self._erase(path, submission):
            self._documents.commit(Put(path, heads.erased(submission)))

    def purge(self, submission: SubmissionId) -> None:
        path = heads.path(submission)
        if path is not None and self._erase(path, None):
            self._documents.delete_all([path])

    def _erase(self, path: Path, stripped: Submission | None) -> bool:
        """All but its document, and whether that is there.

        Of several parcels nobody must see only some: the document is stripped before they go.
        """
        head = self._documents.get(path, (*heads.FIELDS, *OBJECTS))
        if head is None:
            return False
        self._letters.drop(head.fields)
        if head.fields["parcels"] > 1:
            self._documents.commit(Put(path, heads.erased(stripped or heads.read(head).stripped())))
        kinds = ("attempts",) if heads.is_alone(head) else ("attempts", "parcels")
        apart = [(*path, kind) for kind in kinds]
        self._documents.delete_all([(*where, each) for where in apart for each in self._documents.ids(where)])
        return True

    def list(self, cursor: Cursor) -> Page[Submission]:
        return self._listing.page(cursor)

    def created_since(self, mark: Mark | None, until: datetime, limit: int) -> Sequence[Submission]:
        return self._listing.since(mark, until, limit)

    def attempts(self, submission: SubmissionId, cursor: Cursor) -> Page[Attempt]:
        return self._attempts.page(submission, cursor)

    def find(self, submission: SubmissionId, number: int) -> Found | None:
        path = heads.path(submission)
        if path is None:
            return None
        apart, fields = parcels.path(path, number), (*heads.FIELDS, *LETTER)
        if number == 0:  # nearly every letter has one parcel only, which comes with the head
            head = self._documents.get(path, fields)
            kept = head if head is None or heads.is_alone(head) else self._documents.get(apart, parcels.FIELDS)
        else:
            head, kept = self._documents.read([path, apart], fields)
        if head is None or kept is None:
            return None
        parcel = parcels.read(kept, alone=heads.is_alone(head))
        return Found(heads.read(head), parcel, self._letters.within(head.fields))

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        path, over = heads.path(parcel.submission), parcels.Version.of(parcel)
        if path is None or over is None:
            return None
        where = path if over.alone else parcels.path(path, parcel.number)
        change = parcels.change(parcel, attempt, over)
        writes: builtins.list[Update | Put] = [Update(where, change.fields, over.updated)]
        if attempt is not None and change.apart is not None:
            writes.append(Put(attempts.path(path, attempt.id), attempts.fresh(attempt, change.apart)))
        try:
            updated = self._documents.commit(*writes)[0]
        except Refused as refused:
            mine = self._written_by_us(where, change.token, over, refused)
            if mine is None:
                return None
            updated = mine
        return replace(parcel, version=str(replace(over, updated=updated, ridden=change.ridden)))

    def _written_by_us(self, where: Path, token: str, over: parcels.Version, refused: Refused) -> str | None:
        """The version that our own write left, where it was done and only its answer was lost; else None."""
        stored = self._documents.get(where, ("token",))
        if stored is None:
            return None
        if stored.fields["token"] == token:
            return stored.updated
        if stored.updated == over.updated:
            raise Unavailable(f"Firestore refused to change a parcel over the version that it has: {refused}")
        return None


@dataclass(frozen=True, slots=True)
class _New:
    """A submission, and what is written where it isn't there yet."""

    submission: Submission
    path: Path
    writes: Sequence[Create | Put]

    @property
    def octets(self) -> int:
        return sum(len(value) for each in self.writes for value in each.fields.values() if isinstance(value, bytes))


def _in_commits(new: Sequence[_New]) -> builtins.list[builtins.list[_New]]:
    """What goes into one commit each, in their order."""
    commits: builtins.list[builtins.list[_New]] = []
    writes = octets = 0
    for each in new:
        writes, octets = writes + len(each.writes), octets + each.octets
        if not commits or writes > _MOST_WRITES or octets > _MOST_OCTETS:
            commits.append([])
            writes, octets = len(each.writes), each.octets
        commits[-1].append(each)
    return commits
