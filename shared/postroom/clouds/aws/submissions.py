"""Submissions in DynamoDB: one item a parcel, changed only over the version that was read.

All of a submission lies in one partition of the table, `submission#<id>`, by these sort keys:

    submission           its head; of one parcel alone, this parcel too; of several, each as it was created
    submission#0007      a parcel of several, once it has been changed
    attempt#<when>#<id>  an attempt
    letter#<digest>      the letter, unless it is large; two, where it was completed with files that it lacked

Of one that is erased a head is left that names no parcel and no letter, and that no index knows.
The letter has an item of its own because every change of an item is billed by the item's whole size.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from postroom.at_once import at_once
from postroom.clouds.aws import letters
from postroom.clouds.aws.attempts import Attempts
from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.creation import Creation, id_at, index_keys, place
from postroom.clouds.aws.letters import Letters, StoredLetter
from postroom.clouds.aws.records import Item, key, packed, partition_of, unpacked
from postroom.clouds.aws.table import Table
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Found, Mark, Page, Unavailable, UnknownCursor

HEAD = "submission"

COMPLETED, REPLACED = "completed", "replaced"  # that the letter is with all its files, and the one that it was before

NEW = "new"  # the version of a parcel that is still as its head tells it

_WITHOUT_ATTEMPTS = "pk, sk, head, parcel, parcels, version, created, letter"


class DynamoSubmissions:
    """Implements `Submissions` over the table `table` and, for large letters, the S3 bucket `bucket`."""

    def __init__(self, clients: Clients, table: str, bucket: str) -> None:
        self._table = Table(clients, table)
        self._letters = Letters(clients, self._table, bucket)
        self._creation = Creation(self._table)
        self._attempts = Attempts(self._table, HEAD)

    def create(self, submission: Submission, letter: bytes) -> Submission:
        partition = partition_of(submission.id)
        if partition is None:
            raise ValueError(f"a submission's id is plain text: {submission.id!r}")
        stored_letter = StoredLetter.of(submission.id, letter)
        if stored_letter.large and (stored := self.get(submission.id)) is not None:
            return stored  # a repeat, which doesn't have to pay for the object again
        # The letter goes first: a crash after it leaves an orphan, a crash before it would leave no letter.
        self._letters.put(stored_letter)
        token = uuid4().hex
        head = _head(partition, submission, stored_letter.name, token)
        while True:
            found = self._table.write(self._table.put(head, absent=True))
            if found is None:
                return submission
            stored = _submission([found]) if "parcel" in found else self.get(submission.id)
            if stored is not None:
                self._drop_orphan(stored_letter, found)
                return stored

    def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
        """One by one, several at once: a transaction would cost double."""
        if not letters:
            return ()
        (offered, _), *others = letters
        first = self.create(*letters[0])
        if not others or not first.is_of_the_request_of(offered):
            return [first]
        return [first, *at_once(lambda each: self.create(*each), others)]

    def get(self, submission: SubmissionId) -> Submission | None:
        partition = partition_of(submission)
        if partition is None:
            return None
        condition = "pk = :pk AND begins_with(sk, :start)"
        items = list(self._table.query(condition, {":pk": partition, ":start": HEAD}, fields=_WITHOUT_ATTEMPTS))
        return _submission(items) if items else None

    def letter(self, submission: SubmissionId) -> bytes | None:
        items = self._head_and_letters(submission)
        if HEAD not in items or _is_stripped(items[HEAD]):
            return None
        return self._letters.get(submission, items[HEAD]["letter"]["S"], items)

    def complete(self, submission: SubmissionId, letter: bytes) -> bytes | None:
        partition = partition_of(submission)
        where = None if partition is None else key(partition, HEAD)
        head = None if where is None else self._table.get(where, f"{_WITHOUT_ATTEMPTS}, {COMPLETED}")
        if where is None or head is None or _is_stripped(head):
            return None
        if COMPLETED in head:
            return self.letter(submission)
        mine = StoredLetter.of(submission, letter)
        self._letters.put(mine)
        # What it takes the place of stays for who still reads it.
        attributes = {"letter": {"S": mine.name}, REPLACED: head["letter"]}
        found = self._table.write(self._table.update_once(where, attributes, COMPLETED))
        if found is None or found.get("letter") == attributes["letter"]:
            return letter
        with suppress(Unavailable):  # it takes room, and does no other harm
            self._letters.drop(mine)
        return self.letter(submission)

    def erase(self, submission: Submission) -> None:
        if (partition := self._erase(submission.id)) is not None:
            self._table.write(self._table.put(_stripped(partition, submission)))

    def purge(self, submission: SubmissionId) -> None:
        if (partition := self._erase(submission)) is not None:
            self._table.delete(key(partition, HEAD))

    def _erase(self, submission: SubmissionId) -> str | None:
        """All but its head; the partition that it is in, where there is one."""
        partition = partition_of(submission)
        head = None if partition is None else self._table.get(key(partition, HEAD), f"{_WITHOUT_ATTEMPTS}, {REPLACED}")
        if partition is None or head is None:
            return None
        for name in (head[each]["S"] for each in ("letter", REPLACED) if each in head):
            if name and not letters.is_item(name):
                self._letters.drop_object(name)
        if "parcels" in head:
            # It tells each of its parcels as they were created, and a worker must not find one so again.
            self._table.write(self._table.put(_stripped(partition, _submission([head]).stripped())))
        for item in self._table.query("pk = :pk", {":pk": partition}, fields="pk, sk"):
            if item["sk"]["S"] != HEAD:
                self._table.delete(item)
        return partition

    def list(self, cursor: Cursor) -> Page[Submission]:
        beyond = None if cursor.mark is None else self._place(cursor.mark)
        places = self._creation.page(cursor, beyond, cursor.limit + 1)
        return Page.of(cursor, self._at(places[: cursor.limit]), has_more=len(places) > cursor.limit)

    def created_since(self, mark: Mark | None, until: datetime, limit: int) -> Sequence[Submission]:
        beyond = None if mark is None else place(mark.created_at, mark.id)
        return self._at(self._creation.since(beyond, until, limit))

    def attempts(self, submission: SubmissionId, cursor: Cursor) -> Page[Attempt]:
        nowhere = HEAD  # a partition that nothing is ever in
        return self._attempts.page(partition_of(submission) or nowhere, cursor)

    def find(self, submission: SubmissionId, number: int) -> Found | None:
        items = self._head_and_letters(submission)
        if HEAD not in items:
            return None
        head = items[HEAD]
        if _is_stripped(head):
            return None
        if "parcel" in head:
            parcel: Parcel | None = _parcel(head)
        else:
            # The parcels in the head of several never change, so the two reads can't disagree.
            changed = self._table.get(key(head["pk"]["S"], _sort(number)), _WITHOUT_ATTEMPTS)
            parcel = _new_parcels(head).get(number) if changed is None else _parcel(changed)
        if parcel is None or parcel.number != number:
            return None
        name = head["letter"]["S"]
        letter = letters.opened(items[name]) if name in items else None
        return Found(Submission.from_record(unpacked(head["head"]), ()), parcel, letter)

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        sort, _, version = parcel.version.partition(" ")
        partition = partition_of(parcel.submission)
        if partition is None or not version:
            return None
        token = uuid4().hex
        attributes = {"parcel": {"B": packed(parcel.record())}, "version": {"S": token}}
        riding, others = ({}, []) if attempt is None else self._attempts.kept(partition, attempt)
        attributes |= riding
        where = key(partition, sort)
        if version == NEW:
            write = self._table.put(where | attributes, absent=True)
        else:
            write = self._table.update(where, attributes, version=version)
        found = self._table.write(write, *others, token=token)
        # Where an answer is lost the SDK repeats the write, and the repeat finds what the write itself has left.
        if found is not None and found.get("version", {}).get("S") != token:
            return None
        return replace(parcel, version=f"{sort} {token}")

    def _head_and_letters(self, submission: SubmissionId) -> dict[str, Item]:
        """By their sort keys, in one read: a worker wants the letter whenever it wants the parcel."""
        partition = partition_of(submission)
        if partition is None:
            return {}
        ends = {":pk": partition, ":first": letters.FIRST, ":last": HEAD}
        fields = f"{_WITHOUT_ATTEMPTS}, octets"
        items = self._table.query("pk = :pk AND sk BETWEEN :first AND :last", ends, fields=fields)
        return {item["sk"]["S"]: item for item in items}

    def _drop_orphan(self, letter: StoredLetter, head: Item) -> None:
        """Erase a letter that was stored for a submission which has another one."""
        if head and head["letter"]["S"] != letter.name:
            with suppress(Unavailable):  # it takes room, and does no other harm
                self._letters.drop(letter)

    def _place(self, mark: str) -> str:
        """Where in the order of creation the submission lies that a cursor names. Raises `UnknownCursor`."""
        partition = partition_of(mark)
        head = None if partition is None else self._table.get(key(partition, HEAD), "created")
        if head is None:
            raise UnknownCursor(mark)
        created: str = head["created"]["S"]
        return created

    def _at(self, places: Iterable[str]) -> builtins.list[Submission]:
        """The submissions at these places, in their order, without those that were erased meanwhile."""
        ids = [SubmissionId(id_at(each)) for each in places]
        keys = [key(partition, HEAD) for partition in map(partition_of, ids) if partition is not None]
        found: dict[str, Submission] = {}
        for head in self._table.get_many(keys, _WITHOUT_ATTEMPTS):
            id_ = SubmissionId(id_at(head["created"]["S"]))
            submission = _submission([head]) if "parcel" in head else self.get(id_)
            if submission is not None and not submission.erased:  # the index may be behind
                found[id_] = submission
        return [found[id_] for id_ in ids if id_ in found]


def _head(partition: str, submission: Submission, letter: str, token: str) -> Item:
    head = key(partition, HEAD) | index_keys(submission.created_at, submission.id)
    head |= {"head": {"B": packed(submission.record())}, "letter": {"S": letter}}
    records = [parcel.record() for parcel in submission.parcels]
    if len(records) == 1:
        return head | {"parcel": {"B": packed(records[0])}, "version": {"S": token}}
    # One item instead of a transaction, which costs double and holds a hundred items at most.
    return head | {"parcels": {"B": packed({"parcels": records})}}


def _stripped(partition: str, submission: Submission) -> Item:
    """The head of one that is erased. Without a stripe it is in no index."""
    created = {"created": index_keys(submission.created_at, submission.id)["created"]}
    record = {"head": {"B": packed(submission.record())}, "letter": {"S": ""}, COMPLETED: {"BOOL": True}}
    return key(partition, HEAD) | created | record


def _is_stripped(head: Item) -> bool:
    return not head["letter"]["S"]


def _sort(number: int) -> str:
    return f"{HEAD}#{number:04}"


def _parcel(item: Item) -> Parcel:
    return Parcel.from_record(unpacked(item["parcel"]), f"{item['sk']['S']} {item['version']['S']}")


def _new_parcels(head: Item) -> dict[int, Parcel]:
    """By their numbers, as they were created."""
    records = unpacked(head["parcels"])["parcels"]
    return {each["number"]: Parcel.from_record(each, f"{_sort(each['number'])} {NEW}") for each in records}


def _submission(items: builtins.list[Item]) -> Submission:
    """From its head and what parcels it has beside it."""
    head = items[0]
    changed = {parcel.number: parcel for parcel in map(_parcel, (item for item in items if "parcel" in item))}
    parcels = changed if "parcel" in head else _new_parcels(head) | changed if "parcels" in head else {}
    return Submission.from_record(unpacked(head["head"]), [parcels[number] for number in sorted(parcels)])
