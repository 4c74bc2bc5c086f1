"""The stored records: a submission, its parcels, their recipients, and the attempts made for them.

A parcel is one submission to one next hop. It is what a worker claims and settles, and its claim number is
the fence: every change of a parcel is conditional on it. `SENDING` is never stored; a recipient whose
parcel is under a claim is sending, and `Parcel.view` says so.

The records travel as JSON (`record` and `from_record`), the same in every home.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

from postroom.delivery.status import OPEN, Outcome, Status, move
from postroom.smtp.transcript import Line

SubmissionId = NewType("SubmissionId", str)

EARLY_BY = timedelta(seconds=1)  # queues that count in whole seconds may be a little early

Record = dict[str, Any]
"""A record in its stored form: what `json` can write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient and what is known of the letter's fate with it."""

    address: str
    kind: str  # to, cc or bcc
    status: Status
    updated_at: datetime
    attempts: int = 0
    possibly_delivered: bool = False  # once true, for good: a copy may have been taken without our knowing
    code: int | None = None
    enhanced_code: str | None = None
    response: str | None = None  # the server's own words, escaped, at most 1 KB
    cause: str | None = None
    mx: str | None = None
    remote_id: str | None = None  # the name the destination gave the letter in its 2xx, where it did
    next_attempt_at: datetime | None = None

    def moved(self, to: Status, at: datetime, **changes: Any) -> Recipient:
        """This recipient in state `to`; raises `UnlawfulMove`."""
        return replace(self, status=move(self.status, to), updated_at=at, **changes)

    def record(self) -> Record:
        kept = {name: getattr(self, name) for name in self.__slots__}
        return {name: _plain(value) for name, value in kept.items() if value is not None and value is not False}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Recipient:
        fields = dict(record)
        fields["status"] = Status(fields["status"])
        return cls(**_times(fields, "updated_at", "next_attempt_at"))


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
    destination: str  # the recipients' domain on an `mx` route, else the relay's host and port
    queue: str  # the route's traffic class
    recipients: tuple[Recipient, ...]
    claim: int = 0
    lease: Lease | None = None
    generation: int = 0
    attempts: int = 0
    deaths: int = 0  # workers in a row that died with it
    first_attempt_at: datetime | None = None
    next_attempt_at: datetime | None = None
    franking: Franking | None = None

    @property
    def key(self) -> str:
        return f"{self.submission}/{self.number}"

    @property
    def open(self) -> bool:
        """Whether anything is left to do for it."""
        return any(recipient.status in OPEN for recipient in self.recipients)

    def due(self, now: datetime) -> tuple[Recipient, ...]:
        """Those whose turn it is: open, and their next attempt not in the future."""
        soon = now + EARLY_BY
        return tuple(
            each
            for each in self.recipients
            if each.status in OPEN and (each.next_attempt_at is None or each.next_attempt_at <= soon)
        )

    def view(self) -> tuple[Recipient, ...]:
        """The recipients as a reader should see them: those under a claim are sending."""
        if self.lease is None:
            return self.recipients
        return tuple(
            replace(each, status=move(each.status, Status.SENDING), next_attempt_at=None)
            if each.status in (Status.QUEUED, Status.DEFERRED)
            else each
            for each in self.recipients
        )

    def claimed(self, lease: Lease, franking: Franking | None) -> Parcel:
        """This parcel under its next claim. What an earlier claim froze stays frozen."""
        return replace(
            self,
            claim=self.claim + 1,
            lease=lease,
            first_attempt_at=self.first_attempt_at or lease.since,
            franking=self.franking or franking,
        )

    def taken_over(self, lease: Lease, franking: Franking | None) -> tuple[Parcel, Attempt]:
        """This parcel taken from a dead worker, and the attempt that this worker abandoned.

        Nobody knows whether the final dot was sent, so every recipient it was for is possibly delivered.
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
            note="The worker died before it recorded how this attempt ended.",
        )
        in_doubt = tuple(
            replace(each, possibly_delivered=True, attempts=each.attempts + 1) if each.status in OPEN else each
            for each in self.recipients
        )
        taken = self.claimed(lease, franking)
        return replace(taken, recipients=in_doubt, attempts=self.attempts + 1, deaths=self.deaths + 1), abandoned

    def record(self) -> Record:
        """The stored form, without the fields that every home keeps beside it as its own condition."""
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
            "deaths": self.deaths,
            "first_attempt_at": _plain(self.first_attempt_at),
            "next_attempt_at": _plain(self.next_attempt_at),
            "lease": lease and {"holder": lease.holder, "since": _plain(lease.since), "until": _plain(lease.until)},
            "franking": franking and {"domain": franking.domain, "selectors": list(franking.selectors)},
            "recipients": [recipient.record() for recipient in self.recipients],
        }

    def task(self, generation: int | None = None) -> DeliveryTask:
        """The task that brings this parcel's next attempt; a later `generation` gives it another name."""
        ref = ParcelRef(self.submission, self.number, self.claim, self.generation if generation is None else generation)
        return DeliveryTask(self.queue, self.route, self.destination, (ref,))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Parcel:
        fields = _times(dict(record), "first_attempt_at", "next_attempt_at")
        fields["recipients"] = tuple(map(Recipient.from_record, fields["recipients"]))
        if fields["lease"]:
            fields["lease"] = Lease(**_times(dict(fields["lease"]), "since", "until"))
        if fields["franking"]:
            fields["franking"] = Franking(fields["franking"]["domain"], tuple(fields["franking"]["selectors"]))
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One accepted letter: its head, as lists show it, and its parcels. The letter itself is kept apart."""

    id: SubmissionId
    created_at: datetime
    fingerprint: str  # of the request as parsed; the same key with another fingerprint is a conflict
    message_id: str
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    on_unknown: str = "retry"
    route: str | None = None
    tls: str | None = None
    return_path: str = ""
    parcels: tuple[Parcel, ...] = ()

    @property
    def date(self) -> datetime:
        """The Date of the letter: the later of its acceptance and the time it was scheduled for."""
        return max(self.created_at, self.scheduled_at or self.created_at)

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        return tuple(recipient for parcel in self.parcels for recipient in parcel.view())

    def record(self) -> Record:
        """The head's stored form, without the parcels."""
        return {name: _plain(getattr(self, name)) for name in self.__slots__ if name != "parcels"}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], parcels: Iterable[Parcel]) -> Submission:
        fields = _times(dict(record), "created_at", "scheduled_at", "expires_at")
        for name in ("to", "cc", "bcc", "reply_to"):
            fields[name] = tuple(fields[name])
        fields["tags"] = tuple((name, value) for name, value in fields["tags"])
        return cls(parcels=tuple(parcels), **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    version: str  # as the TLS library names it, such as TLSv1.3
    cipher: str
    verified: bool  # the certificate was checked against the server's name and the roots
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at one parcel: who was spoken to, what was said, how it ended."""

    submission: SubmissionId
    parcel: int
    claim: int
    number: int
    destination: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    route: str | None = None
    mx: str | None = None
    address: str | None = None
    tls: TlsFacts | None = None
    round_trips: int | None = None
    note: str | None = None  # why it ended without a reply to quote
    transcript: tuple[Line, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """A UUIDv8 of the parcel and its claim: an attempt recorded twice is recorded once."""
        digest = hashlib.sha256(f"{self.submission}/{self.parcel}/{self.claim}".encode()).digest()
        return uuid8(digest)

    def record(self) -> Record:
        kept = {name: _plain(getattr(self, name)) for name in self.__slots__ if name not in ("tls", "transcript")}
        if self.tls:
            kept["tls"] = {name: getattr(self.tls, name) for name in self.tls.__slots__}
        kept["transcript"] = [[line.at_ms, line.speaker, line.text] for line in self.transcript]
        return kept

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Attempt:
        fields = _times(dict(record), "started_at", "finished_at")
        fields["outcome"] = Outcome(fields["outcome"])
        if fields.get("tls"):
            fields["tls"] = TlsFacts(**fields["tls"])
        fields["transcript"] = tuple(Line(*line) for line in fields["transcript"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class ParcelRef:
    """Names a parcel, the claim number that a task found it at, and the task's generation."""

    submission: SubmissionId
    number: int
    claim: int
    generation: int = 0


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

    def body(self) -> bytes:
        parcels = [[ref.submission, ref.number, ref.claim, ref.generation] for ref in self.parcels]
        task = {"queue": self.queue, "route": self.route, "destination": self.destination, "parcels": parcels}
        return json.dumps(task, separators=(",", ":")).encode()

    @classmethod
    def from_body(cls, body: bytes) -> DeliveryTask:
        """The inverse of `body`; raises ValueError naming what is wrong with it."""
        try:
            task = json.loads(body)
            refs = tuple(ParcelRef(SubmissionId(str(s)), int(n), int(c), int(g)) for s, n, c, g in task["parcels"])
            return cls(str(task["queue"]), str(task["route"]), str(task["destination"]), refs)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"this is not a delivery task: {error!r}") from error


def uuid8(digest: bytes) -> str:
    """A UUID of version 8 (RFC 9562 §5.8) from the first 16 of at least 16 octets."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=number))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _times(fields: Record, *names: str) -> Record:
    for name in names:
        if isinstance(fields.get(name), str):
            fields[name] = datetime.fromisoformat(fields[name])
    return fields
