"""A parcel: one submission to one next hop. It is what a worker claims and settles.

Its claim number is the fence: every change of a parcel is conditional on it. `SENDING` is never stored; a
recipient whose parcel is under a claim is sending, and `Parcel.view` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from postroom.delivery.attempt import Attempt
from postroom.delivery.news import News
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import Record, SubmissionId, plain, times
from postroom.delivery.status import OPEN, Outcome, Status
from postroom.delivery.task import DeliveryTask, ParcelRef

EARLY_BY = timedelta(seconds=1)  # queues that count in whole seconds may be a little early


@dataclass(frozen=True, slots=True)
class Lease:
    """Until when a claim holds, and whose it is. Past `until` anybody may take it over."""

    holder: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Franking:
    """What the first claim froze, so that every attempt sends the same bytes: the signing domain and selectors."""

    domain: str
    selectors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One submission to one next hop."""

    submission: SubmissionId
    number: int
    route: str  # the name of the route that carries it
    destination: str  # a domain: all its recipients'; or the host and port of a relay that takes every domain's
    queue: str  # the route's traffic class
    recipients: tuple[Recipient, ...]
    claim: int = 0
    lease: Lease | None = None
    generation: int = 0
    attempts: int = 0
    hold: bool = False  # a lost reply is held as `unknown`, so the end of data is marked before it is said
    marked: bool = False  # under this claim the end of data was about to be said
    deaths: int = 0  # workers in a row that died with it
    scheduled_at: datetime | None = None  # the moment that it was asked to be sent at
    retried_at: datetime | None = None  # when it was last put back by hand: from then on its age counts anew
    retried_after: int = 0  # attempts made by then: its retry schedule begins anew as well
    first_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    franking: Franking | None = None
    news: tuple[News, ...] = ()  # what webhooks are told of it, the oldest first
    version: str = field(default="", compare=False, repr=False)  # what a home knows the stored record by

    @property
    def key(self) -> str:
        return f"{self.submission}/{self.number}"

    @property
    def open(self) -> bool:
        """Whether anything is left to do for it."""
        return any(recipient.status in OPEN for recipient in self.recipients)

    @property
    def earliest_next_attempt(self) -> datetime | None:
        """The first of its recipients' next attempts, where any has one."""
        return min((each.next_attempt_at for each in self.recipients if each.next_attempt_at is not None), default=None)

    def due(self, now: datetime) -> tuple[Recipient, ...]:
        """Those whose turn it is: open, and their next attempt not in the future."""
        soon = now + EARLY_BY
        return tuple(
            each
            for each in self.recipients
            if each.status in OPEN and (each.next_attempt_at is None or each.next_attempt_at <= soon)
        )

    def with_open(self, changed: Callable[[Recipient], Recipient]) -> Parcel:
        """This parcel with each of its open recipients `changed`, the others as they were."""
        recipients = tuple(changed(each) if each.status in OPEN else each for each in self.recipients)
        return replace(self, recipients=recipients)

    def view(self) -> tuple[Recipient, ...]:
        """The recipients as a reader should see them: those under a claim are sending."""
        if self.lease is None:
            return self.recipients
        return tuple(
            replace(each, status=Status.SENDING, next_attempt_at=None) if each.status in OPEN else each
            for each in self.recipients
        )

    def claimed(self, lease: Lease, franking: Franking | None) -> Parcel:
        """This parcel under its next claim. What an earlier claim froze stays frozen."""
        return replace(
            self,
            claim=self.claim + 1,
            lease=lease,
            marked=False,
            first_attempt_at=self.first_attempt_at or lease.since,
            franking=self.franking or franking,
        )

    def taken_over(self, lease: Lease, franking: Franking | None) -> tuple[Parcel, Attempt]:
        """This parcel taken from a dead worker, and the attempt that this worker abandoned.

        Where nobody knows whether the final dot was sent, every recipient it was for is possibly delivered. Under
        `hold` the mark knows, and with it they are `unknown` from here on: nothing that follows can send it again.
        """
        if self.lease is None:
            raise ValueError(f"parcel {self.key} is not claimed, so there is nobody to take it over from")
        abandoned = Attempt(
            submission=self.submission,
            parcel=self.number,
            claim=self.claim,
            number=self.attempts + 1,
            route=self.route,
            destination=self.destination,
            started_at=self.lease.since,
            finished_at=lease.since,
            outcome=Outcome.ABANDONED,
            note="The worker died before it recorded how this attempt ended"
            + (", and before the end of the letter." if self.hold and not self.marked else "."),
        )
        asked = {each.address for each in self.due(self.lease.since)}
        maybe = self.marked or not self.hold

        def left_behind(each: Recipient) -> Recipient:
            if each.address not in asked:
                return each
            each = replace(each, possibly_delivered=each.possibly_delivered or maybe, attempts=each.attempts + 1)
            if not (self.hold and self.marked):
                return each
            sending = each.sending(lease.since)
            return sending.moved(Status.UNKNOWN, lease.since, cause="abandoned", next_attempt_at=None)

        taken = self.claimed(lease, franking).with_open(left_behind)
        return replace(taken, attempts=self.attempts + 1, deaths=self.deaths + 1), abandoned

    def record(self) -> Record:
        """The stored form, without the version, which every home keeps in its own way."""
        lease, franking = self.lease, self.franking
        return {
            "submission": self.submission,
            "number": self.number,
            "route": self.route,
            "destination": self.destination,
            "queue": self.queue,
            "claim": self.claim,
            "generation": self.generation,
            "attempts": self.attempts,
            "hold": self.hold,
            "marked": self.marked,
            "deaths": self.deaths,
            "scheduled_at": plain(self.scheduled_at),
            "retried_at": plain(self.retried_at),
            "retried_after": self.retried_after,
            "first_attempt_at": plain(self.first_attempt_at),
            "next_attempt_at": plain(self.next_attempt_at),
            "lease": lease and {"holder": lease.holder, "since": plain(lease.since), "until": plain(lease.until)},
            "franking": franking and {"domain": franking.domain, "selectors": list(franking.selectors)},
            "recipients": [recipient.record() for recipient in self.recipients],
            **({"news": [each.record() for each in self.news]} if self.news else {}),
        }

    def ref(self, generation: int | None = None) -> ParcelRef:
        """How a task names this parcel as it stands; a later `generation` gives the task another name."""
        return ParcelRef(
            self.submission, self.number, self.claim, self.generation if generation is None else generation
        )

    def task(self, generation: int | None = None) -> DeliveryTask:
        """The task that brings this parcel's next attempt, and nothing else."""
        return DeliveryTask(self.queue, self.route, self.destination, (self.ref(generation),))

    @classmethod
    def from_record(cls, record: Mapping[str, Any], version: str = "") -> Parcel:
        fields = times(dict(record), "scheduled_at", "retried_at", "first_attempt_at", "next_attempt_at")
        fields["recipients"] = tuple(map(Recipient.from_record, fields["recipients"]))
        fields["news"] = tuple(map(News.from_record, fields.get("news", ())))
        if fields["lease"]:
            fields["lease"] = Lease(**times(dict(fields["lease"]), "since", "until"))
        if fields["franking"]:
            fields["franking"] = Franking(fields["franking"]["domain"], tuple(fields["franking"]["selectors"]))
        return cls(**fields, version=version)


class Standing(StrEnum):
    """What a task finds when it comes for a parcel."""

    FREE = "free"
    TAKE_OVER = "take_over"  # claimed by a worker that is dead or past its lease
    LIVE = "live"  # claimed by a worker that is at it
    EARLY = "early"  # its next attempt is not due
    OVER = "over"  # this claim number was settled already, or nothing is left to do


def standing(parcel: Parcel, ref: ParcelRef, now: datetime, *, holder_is_dead: bool) -> Standing:
    """How the parcel stands towards the task that names `ref`; every home asks this before or after its update."""
    if parcel.lease is not None:
        return Standing.LIVE if now < parcel.lease.until and not holder_is_dead else Standing.TAKE_OVER
    if parcel.claim != ref.claim or not parcel.open:
        return Standing.OVER
    if parcel.next_attempt_at is not None and parcel.next_attempt_at > now + EARLY_BY:
        return Standing.EARLY
    return Standing.FREE
