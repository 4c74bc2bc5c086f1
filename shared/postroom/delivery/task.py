"""What a queue carries: the names of parcels, never their contents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from postroom.delivery.record import SubmissionId, write_json


@dataclass(frozen=True, slots=True)
class ParcelRef:
    """Names a parcel, the claim number that a task found it at, and the task's generation."""

    submission: SubmissionId
    number: int
    claim: int
    generation: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryTask:
    """Parcels for one next hop, to be carried in one session. Ids only, never bytes."""

    queue: str
    route: str
    destination: str
    parcels: tuple[ParcelRef, ...]

    @property
    def name(self) -> str:
        """At most 64 characters of [0-9a-f]; a hint by which a home may collapse copies, never a guarantee."""
        every = "\n".join(f"{ref.submission}/{ref.number}/{ref.claim}/{ref.generation}" for ref in self.parcels)
        return hashlib.sha256(every.encode()).hexdigest()

    def again(self) -> DeliveryTask:
        """The same parcels under a name that neither this task nor its tombstone swallows."""
        return replace(self, parcels=tuple(replace(ref, generation=ref.generation + 1) for ref in self.parcels))

    def body(self) -> bytes:
        parcels = [[ref.submission, ref.number, ref.claim, ref.generation] for ref in self.parcels]
        task = {"queue": self.queue, "route": self.route, "destination": self.destination, "parcels": parcels}
        return write_json(task).encode()

    @classmethod
    def from_body(cls, body: bytes) -> DeliveryTask:
        """The inverse of `body`; raises ValueError naming what is wrong with it."""
        try:
            task = json.loads(body)
            refs = tuple(ParcelRef(SubmissionId(str(s)), *map(_count, numbers)) for s, *numbers in task["parcels"])
            return cls(str(task["queue"]), str(task["route"]), str(task["destination"]), refs)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"this is not a delivery task: {error!r}") from error


def _count(number: object) -> int:
    """A number as we count. Raises ValueError."""
    if type(number) is not int or not 0 <= number < 2**53:
        raise ValueError(f"{number!r:.40} is not a number of a parcel, a claim or a generation")
    return number
