"""Idempotency: what is asked for again under its key is done once.

Ids are made of the key, so create-if-absent is the whole mechanism: there is no second table, and no race. What a key
was used for is told by the first letter that was stored under it, a batch's first or the only one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, takewhile
from uuid import UUID

from postroom.delivery.record import SubmissionId, uuid8
from postroom.delivery.submission import Submission
from postroom.ports import Directory, Submissions

WINDOW = timedelta(hours=24)
"""For which a key is taken; after it the key counts as unused."""

SUPERSEDED = "superseded"
"""The kind of the documents that keep ids taken: those of letters whose key was used anew."""


class IdempotencyConflict(ValueError):
    """The key was used for another request within the last 24 hours."""

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key was used within the last 24 hours for another request. "
            "Repeat that request unchanged, or use a new key."
        )


def deployment_secret(directory: Directory, randomness: Callable[[int], bytes]) -> bytes:
    """The 32 octets that ids are derived with: made once, by whoever comes first, and kept for good."""
    document = directory.create("deployment", "secret", {"secret": randomness(32).hex()})
    return bytes.fromhex(document["secret"])


@dataclass(frozen=True, slots=True)
class Keyed:
    """A caller's key, with the deployment's secret: the ids that are stored under it."""

    key: str
    secret: bytes

    def id(self, generation: int, number: int = 0) -> SubmissionId:
        """UUIDv8 of an HMAC: whoever knows a key can't tell the id, and one id can be stored only once.

        `number` is the letter's in its batch. Each day that the key is used anew begins a generation.
        """
        message = f"{generation}/{number}/{self.key}".encode()
        return SubmissionId(uuid8(hmac.digest(self.secret, message, hashlib.sha256)))

    def used(self, submissions: Submissions, now: datetime) -> tuple[int, Submission | None]:
        """The generation that counts now, and the letter that tells what it was used for, if it was."""
        for generation in count():
            stored = submissions.get(self.id(generation))
            if stored is None or not is_old(stored, now):
                return generation, stored
        raise AssertionError("count() doesn't end")

    def letters(self, submissions: Submissions) -> Iterator[Submission]:
        """All that is stored under the key, the newest generation first, each batch in its order; read as asked for."""
        firsts: list[Submission] = []
        while (stored := submissions.get(self.id(len(firsts)))) is not None:
            firsts.append(stored)
        for generation, first in reversed(list(enumerate(firsts))):
            yield first
            # A batch has no letters under the numbers of those it goes without, nor under its first one's place.
            place = next(number for number in count() if number not in first.refused)
            numbers = (number for number in count(1) if number not in first.refused and number != place)
            others = (submissions.get(self.id(generation, number)) for number in numbers)
            yield from takewhile(lambda each: each is not None, others)


def is_keyed(id_: SubmissionId) -> bool:
    """Whether it was made of a key."""
    return UUID(id_).version == 8


def is_old(stored: Submission, now: datetime) -> bool:
    """Whether the key that it was stored under is free again."""
    return now - stored.created_at >= WINDOW
