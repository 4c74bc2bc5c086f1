"""Letters: small ones as items of the table, large ones as objects in S3, compressed where that helps.

A letter is named after its content, so whoever stores one writes over nothing but the very same octets.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from postroom.clouds.aws.clients import Clients, code_of, reaching
from postroom.clouds.aws.records import Item, key, partition_of
from postroom.clouds.aws.table import Table
from postroom.delivery.record import SubmissionId

INLINE = 12 * 1024
"""Stored octets from which a letter goes to S3.

A PUT of S3 costs as much as eight write units of DynamoDB, which are 8 KB, and is slower by tens of milliseconds.
"""

FIRST, LAST = "letter#", "letter#~"  # around the sort keys of a submission's letters

_AS_IS, _DEFLATED = b"=", b"z"  # the first octet tells how the others are to be read


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A packed letter in its stored form."""

    submission: SubmissionId
    octets: bytes

    @classmethod
    def of(cls, submission: SubmissionId, packed: bytes) -> StoredLetter:
        deflated = zlib.compress(packed)
        return cls(submission, _DEFLATED + deflated if len(deflated) < len(packed) else _AS_IS + packed)

    @property
    def large(self) -> bool:
        return len(self.octets) >= INLINE

    @property
    def name(self) -> str:
        """The sort key of its item, or the key of its object."""
        digest = hashlib.sha256(self.octets).hexdigest()[:32]
        return f"letters/{self.submission}/{digest}" if self.large else f"{FIRST}{digest}"


class Letters:
    """The letters in `table` and in the S3 bucket `bucket`. Raises `Unavailable`."""

    def __init__(self, clients: Clients, table: Table, bucket: str) -> None:
        self._clients = clients
        self._table = table
        self._bucket = bucket
        self._home = f"the S3 bucket {bucket}"

    def put(self, letter: StoredLetter) -> None:
        """Durable on return."""
        if not letter.large:
            item = _key(letter.submission, letter.name) | {"octets": {"B": letter.octets}}
            self._table.write(self._table.put(item))
            return
        with reaching(self._home):
            self._clients.s3().put_object(Bucket=self._bucket, Key=letter.name, Body=letter.octets)

    def get(self, submission: SubmissionId, name: str, items: dict[str, Item]) -> bytes | None:
        """The packed letter of that name, from `items` by their sort keys or where it is; None where it is erased."""
        if is_item(name):
            # One that was completed while the items were read may have come too late to be among them.
            item = items.get(name) or self._table.get(_key(submission, name))
            return None if item is None else opened(item)
        from botocore.exceptions import ClientError

        with reaching(self._home):
            try:
                answer = self._clients.s3().get_object(Bucket=self._bucket, Key=name)
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    return None
                raise
            octets: bytes = answer["Body"].read()
        return _unpacked(octets)

    def drop(self, letter: StoredLetter) -> None:
        """Erase it, where it is."""
        if not letter.large:
            self._table.delete(_key(letter.submission, letter.name))
            return
        self.drop_object(letter.name)

    def drop_object(self, name: str) -> None:
        """Erase the object of that name, where it is."""
        with reaching(self._home):
            self._clients.s3().delete_object(Bucket=self._bucket, Key=name)


def is_item(name: str) -> bool:
    """Whether the letter of that name is an item of the table."""
    return name.startswith(FIRST)


def opened(item: Item) -> bytes:
    """The packed letter in its item."""
    return _unpacked(item["octets"]["B"])


def _key(submission: SubmissionId, name: str) -> Item:
    partition = partition_of(submission)
    if partition is None:
        raise ValueError(f"a submission's id is plain text: {submission!r}")
    return key(partition, name)


def _unpacked(octets: bytes) -> bytes:
    return zlib.decompress(octets[1:]) if octets[:1] == _DEFLATED else octets[1:]
