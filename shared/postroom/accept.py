"""Accepting a letter: the use case of functions/submit.

What is answered with an id is stored and has its tasks; a crash before the answer has promised nothing, and
the client's repeat under the same Idempotency-Key finds the record and finishes the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

from postroom.account.domain import SendingDomain
from postroom.account.verp import UNSIGNED, ReturnPaths
from postroom.delivery.news import Wanted, with_news
from postroom.delivery.notice import notices
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.routing import NoRoute, Route, Routes
from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from postroom.delivery.together import together
from postroom.idempotency import SUPERSEDED, WINDOW, IdempotencyConflict, Keyed, is_old
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import Directory, Schedule, Submissions, Unavailable
from postroom.sweep import leave_note

FURTHEST_AHEAD = timedelta(days=30)
"""How far ahead a letter may be scheduled."""


class UnverifiedSender(ValueError):
    """The From domain isn't one of this account's verified domains."""


class Untimely(ValueError):
    """A moment of the request is of no use by now, and it isn't the repeat of one that came in time.

    `flaws` tells whoever made the request what is wrong with which member.
    """

    def __init__(self, flaws: Mapping[str, Any]) -> None:
        super().__init__(f"of no use by now: {', '.join(flaws)}")
        self.flaws = flaws


class OtherDomain(UnverifiedSender):
    """The From domain isn't the one that the key is held to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """One letter to accept, its syntax checked."""

    letter: Letter
    fingerprint: str  # of the request as parsed
    bcc: tuple[Mailbox, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    message_id: str | None = None  # the caller's own, in angle brackets
    idempotency_key: str | None = None
    untimely: Untimely | None = None  # why it is refused, unless it repeats under its key what came in time
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    on_unknown: str | None = None
    route: str | None = None
    tls: str | None = None
    requiretls: bool = False
    domain_id: str | None = None  # the only domain that the caller may send from


class Hop(NamedTuple):
    """One next hop of a letter, and those whom it is for there, each with its kind: to, cc or bcc."""

    route: Route
    destination: str
    recipients: tuple[tuple[Mailbox, str], ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be accepted, and what it took to find that out."""

    request: SubmitRequest
    sending: SendingDomain | None  # the From domain, where it is kept
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Stores letters and puts their tasks."""

    submissions: Submissions
    schedule: Schedule
    directory: Directory
    routes: Routes
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    secret: Callable[[], bytes]  # the deployment's own, from `deployment_secret`
    any_sender: bool = False
    on_unknown: str = "retry"
    return_path_domain: str | None = None
    return_paths: ReturnPaths = UNSIGNED
    sweep_after: timedelta = timedelta(minutes=1)  # the age at which the sweep meets a letter
    spared: Callable[[Parcel, datetime], Parcel] = lambda parcel, _: parcel  # without whom the settings rule out
    troubled: Callable[[Unavailable], None] = lambda _: None  # told of what was overcome
    wanted: Callable[[], Wanted] = dict  # which events each webhook wants

    def __call__(self, request: SubmitRequest) -> Submission:
        """The stored submission, its tasks put. The repeat of a request under its key gets the first one's.

        What is stored is accepted: where the queue can't take its tasks, the sweep puts them later. Raises
        `UnverifiedSender` (`OtherDomain`), `NoRoute`, `Untimely`, `IdempotencyConflict`, or `Unavailable` with nothing
        promised.
        """
        sending, now, key = self._sender(request), self.clock(), request.idempotency_key
        if key is None and request.untimely is not None:
            raise request.untimely
        admitted = Admitted(request, sending, self._hops(request))
        if key is None:
            stored = self.submissions.create(*self.draft(self.new_id(), admitted, now))
        else:
            stored = self.create_once(admitted, Keyed(key, self.secret()), now)
        self.put([stored])
        return stored

    # What a letter of a batch needs as well as one by itself.

    def admission(self, request: SubmitRequest) -> Admitted | Untimely | UnverifiedSender | NoRoute:
        """The request with what accepting it takes, or why it can't be accepted, if it wasn't before."""
        if request.untimely is not None:
            return request.untimely
        try:
            return Admitted(request, self._sender(request), self._hops(request))
        except (UnverifiedSender, NoRoute) as error:
            return error

    def new_id(self) -> SubmissionId:
        return SubmissionId(str(UUID(bytes=self.randomness(16), version=4)))

    def draft(self, id_: SubmissionId, admitted: Admitted, now: datetime) -> tuple[Submission, bytes]:
        """What is to be stored under the id, the letter packed."""
        return self._submission(id_, admitted, now), admitted.request.letter.pack()

    def create_once(self, admitted: Admitted, keyed: Keyed, now: datetime, number: int = 0) -> Submission:
        """What is stored under the key for the letter of that number in its batch.

        Raises `Untimely` or `IdempotencyConflict`.
        """
        request = admitted.request
        packed = request.letter.pack()
        for generation in count():
            id_ = keyed.id(generation, number)
            if request.untimely is not None and self.submissions.get(id_) is None:
                raise request.untimely
            stored = self.submissions.create(self._submission(id_, admitted, now), packed)
            if is_old(stored, now):
                self.supersede(stored.id, now)
                continue
            if stored.fingerprint != request.fingerprint:
                raise IdempotencyConflict
            return stored
        raise AssertionError("count() doesn't end")

    def supersede(self, id_: SubmissionId, now: datetime) -> None:
        """Keep the id of an old letter taken whose key is used anew.

        Were it purged before the new one's day is over, a repeat would find nothing under the id that it looks at
        first, and send once more.
        """
        self.directory.put(SUPERSEDED, id_, {"until": (now + WINDOW).isoformat()})

    def put(self, stored: Sequence[Submission]) -> None:
        """Put the tasks of those whose parcels wait for their first claim."""
        # A claimed parcel has had its task. Putting another for the rest is the repeat finishing the work.
        waiting = [
            (submission, parcel)
            for submission in stored
            for parcel in submission.parcels
            if parcel.claim == 0 and parcel.open
        ]
        now = self.clock()
        late = dict.fromkeys(each.id for each, _ in waiting if now - each.created_at > self.sweep_after / 2)
        if late:
            # It took so long that the sweep may have passed by where they lie.
            leave_note(self.directory, now + self.sweep_after, list(late), next(iter(late)))
        due = [(parcel, submission.due(parcel)) for submission, parcel in waiting]
        news = notices(parcel for submission in stored for parcel in submission.parcels)
        try:
            self.schedule.put_many([*together(due, self.routes.rated), *((each, now) for each in news)])
        except Unavailable as error:
            # The letter is stored, and the sweep puts what has no task: to refuse it now would be half a promise,
            # since nobody could be sure that it isn't sent.
            self.troubled(error)

    def _sender(self, request: SubmitRequest) -> SendingDomain | None:
        """The From domain, where it is kept. Raises `OtherDomain` or `UnverifiedSender`."""
        domain, only = request.letter.sender.domain, request.domain_id
        document = self.directory.get("domain", domain)
        sending = None if document is None else SendingDomain.from_record(document)
        if only is not None and (sending is None or sending.id != only):
            raise OtherDomain(f"This API key sends from one domain only, and {domain} isn't that one.")
        if not self.any_sender and (sending is None or not sending.verified):
            raise UnverifiedSender(f"The {domain} domain is not verified. Add and verify it before you send from it.")
        return sending

    def _hops(self, request: SubmitRequest) -> tuple[Hop, ...]:
        """Where the letter goes, an address that is named twice once. Raises `NoRoute`."""
        addressed: dict[str, tuple[Mailbox, str]] = {}
        kinds = (("to", request.letter.to), ("cc", request.letter.cc), ("bcc", request.bcc))
        for kind, mailboxes in kinds:
            for mailbox in mailboxes:
                addressed.setdefault(mailbox.key, (mailbox, kind))
        everyone = list(addressed.values())
        groups = self.routes.group((mailbox.domain for mailbox, _ in everyone), request.route)
        return tuple(
            Hop(route, destination, tuple(everyone[position] for position in positions))
            for (_, destination), (route, positions) in groups.items()
        )

    def under_key(self, key: str) -> Iterator[Submission]:
        """What was accepted under the idempotency key, the newest first, a batch in its order; erased ones as well."""
        return Keyed(key, self.secret()).letters(self.submissions)

    def repeated(self, key: str, fingerprint: str) -> Submission | None:
        """The letter that was taken for the same request under the key within the day, its tasks put."""
        taken = next(self.under_key(key), None)
        if taken is None or taken.fingerprint != fingerprint or is_old(taken, self.clock()):
            return None
        self.put([taken])
        return taken

    def _submission(self, id_: SubmissionId, admitted: Admitted, now: datetime) -> Submission:
        request, sending = admitted.request, admitted.sending
        letter, wanted = request.letter, self.wanted()
        sender = letter.sender
        returns_to = self.return_path_domain if sending is None else sending.returns_to(self.return_path_domain)
        return_path = sender.address if returns_to is None else self.return_paths.of(id_, returns_to)
        return Submission(
            id=id_,
            created_at=now,
            fingerprint=request.fingerprint,
            message_id=request.message_id or f"<{id_}@{sender.domain}>",
            sender=str(sender),
            to=tuple(map(str, letter.to)),
            cc=tuple(map(str, letter.cc)),
            bcc=tuple(map(str, request.bcc)),
            reply_to=tuple(map(str, letter.reply_to)),
            subject=letter.subject,
            tags=request.tags,
            expires_at=request.expires_at,
            on_unknown=request.on_unknown or self.on_unknown,
            route=request.route,
            tls=request.tls if sending is None else sending.least_security(request.tls),
            requiretls=request.requiretls,
            return_path=return_path,
            parcels=tuple(with_news(self.spared(parcel, now), wanted) for parcel in self._parcels(id_, admitted, now)),
        )

    def _parcels(self, id_: SubmissionId, admitted: Admitted, now: datetime) -> Iterator[Parcel]:
        request = admitted.request
        due = max(now, request.scheduled_at or now)
        for number, hop in enumerate(admitted.hops):
            yield Parcel(
                submission=id_,
                number=number,
                route=hop.route.name,
                destination=hop.destination,
                queue=hop.route.queue,
                hold=(request.on_unknown or self.on_unknown) == "hold",
                scheduled_at=request.scheduled_at,
                next_attempt_at=due,
                recipients=tuple(
                    Recipient(
                        address=mailbox.address,
                        kind=kind,
                        status=Status.QUEUED if due == now else Status.SCHEDULED,
                        updated_at=now,
                        next_attempt_at=due,
                    )
                    for mailbox, kind in hop.recipients
                ),
            )
