"""What the queue carries for webhooks: whom to tell, and of what; never the contents."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from postroom.delivery.record import SubmissionId, write_json
from postroom.delivery.task import DeliveryTask
from postroom.delivery.together import shares

if TYPE_CHECKING:
    from postroom.delivery.parcel import Parcel

QUEUE = "notify"
"""The traffic class of all webhooks; no route's may be called so."""

MOST = 20
"""Parcels or events in one notice: they are told at once, and whoever dies over them leaves few to be told twice."""

_BEYOND = 1_000_000
"""More than the turns that follow from how much news there is."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A webhook is to be told the news of parcels, or of events that are no letter's, which lie in its log.

    One without parcels and events tells nothing. `turn` makes the names of copies differ that must not be collapsed.
    """

    webhook: str
    parcels: tuple[tuple[SubmissionId, int], ...] = ()
    events: tuple[str, ...] = ()
    turn: int = 0

    @property
    def queue(self) -> str:
        return QUEUE

    @property
    def destination(self) -> str:
        """Whom it may keep waiting: the others have their turn between."""
        return f"webhook {self.webhook}"

    @property
    def name(self) -> str:
        """At most 64 characters of [0-9a-f]; a hint by which a home may collapse copies, never a guarantee."""
        return hashlib.sha256(self.body()).hexdigest()

    def again(self) -> Notice:
        """The same under a name that neither this notice nor its tombstone swallows."""
        return replace(self, turn=self.turn + _BEYOND)

    def body(self) -> bytes:
        notice = {"webhook": self.webhook, "parcels": self.parcels, "events": self.events, "turn": self.turn}
        return write_json(notice).encode()

    @classmethod
    def from_body(cls, body: bytes) -> Notice:
        """The inverse of `body`; raises ValueError naming what is wrong with it."""
        try:
            notice = json.loads(body)
            parcels = tuple((SubmissionId(str(submission)), int(number)) for submission, number in notice["parcels"])
            return cls(str(notice["webhook"]), parcels, tuple(map(str, notice["events"])), int(notice["turn"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"this is not a notice for a webhook: {error!r}") from error


def read_queued(body: bytes) -> DeliveryTask | Notice:
    """What a queue carries, whichever it is. Raises ValueError."""
    try:
        return DeliveryTask.from_body(body)
    except ValueError:
        return Notice.from_body(body)


def notices(parcels: Iterable[Parcel], turn: int | None = None) -> list[Notice]:
    """What tells each webhook the news of those parcels that waits for it.

    Without a `turn` that follows from how much news there is: a repeat has the same names, further news another.
    """
    waiting: defaultdict[str, list[Parcel]] = defaultdict(list)
    for parcel in parcels:
        for webhook in dict.fromkeys(id_ for each in parcel.news for id_ in each.webhooks):
            waiting[webhook].append(parcel)
    return [
        Notice(
            webhook,
            tuple((each.submission, each.number) for each in share),
            turn=sum(len(each.news) for each in share) if turn is None else turn,
        )
        for webhook, group in waiting.items()
        for share in shares(group, MOST)
    ]
