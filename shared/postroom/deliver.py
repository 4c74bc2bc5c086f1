"""Carrying a task's parcels: the use case of functions/deliver.

Each parcel is claimed by one conditional update, its letter rendered and signed, carried over the wire, and
settled as soon as its verdict is known; then what comes next is put. Whatever happens in between, the task
comes again, and a task that finds its work done puts again what should follow and is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from postroom.account.seal import SealError
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Franking, Lease, Parcel
from postroom.delivery.retry import RetryPolicy
from postroom.delivery.routing import Exchanger, Host, NoRoute, Route, Routes, Target, in_order
from postroom.delivery.settlement import Settlement, outcome_of
from postroom.delivery.status import Outcome
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.message.dkim import SigningKey, UnusableKey, sign
from postroom.message.letter import Letter
from postroom.message.mime import UnsendableLetter, render
from postroom.ports import (
    Carried,
    Claimed,
    Early,
    Live,
    MxFound,
    NoAnswer,
    NoDomain,
    NullMx,
    Over,
    Resolver,
    Schedule,
    Submissions,
    Unavailable,
    Wire,
)
from postroom.smtp.commands import MailFrom, RcptTo, UnsafeCommand
from postroom.smtp.dialogue import Mail
from postroom.smtp.security import Security
from postroom.smtp.transcript import escaped
from postroom.smtp.verdict import Fate, Verdict

MOST_DEATHS = 8  # workers in a row that may die with a letter before it is parked as `failed`
MOST_HOSTS = 5  # of a domain's exchangers that one attempt asks
PAUSES = (0.1, 0.5, 2.0, 5.0)  # seconds between tries to record a verdict that must not be lost


@dataclass(frozen=True, slots=True)
class _Opened:
    """A parcel under our claim, and the letter as it goes out."""

    submission: Submission
    parcel: Parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Carries the parcels of a task. Raises `Unavailable` where an outcome could not be recorded."""

    submissions: Submissions
    schedule: Schedule
    resolver: Resolver
    wire: Wire
    routes: Routes
    policy: RetryPolicy
    signing: Callable[[str], tuple[SigningKey, ...]]  # the keys of a From domain
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    pause: Callable[[float], None]
    shuffle: Callable[[list[Exchanger]], None]
    holder: str  # names this process in its claims
    lease: timedelta
    session_seconds: float  # what one task may take, well within the lease
    smtp_port: int = 25
    told: Callable[[Attempt], None] = lambda _: None  # called with each attempt once it is recorded
    unrecorded: dict[str, tuple[Parcel, Attempt | None]] = field(default_factory=dict)  # by the parcel's key

    def __call__(self, task: DeliveryTask) -> None:
        deadline = self.monotonic() + self.session_seconds
        refs = iter(task.parcels)
        target = self._target(task)
        opened: dict[int, _Opened] = {}

        def mails() -> Iterator[Mail]:
            for ref in refs:
                mail = self._open(task, ref, opened)
                if mail is not None:
                    yield mail

        def settled(mail: Mail, carried: Carried) -> None:
            self._settle(opened.pop(id(mail)), carried)

        if isinstance(target, Target):
            self.wire.converse(target, mails(), deadline, settled)
        else:
            for mail in mails():
                verdicts = tuple(replace(target, recipient=recipient) for recipient in mail.recipients)
                settled(mail, Carried(verdicts=verdicts, note=target.note))
        left = tuple(replace(ref, generation=ref.generation + 1) for ref in refs)
        if left:
            self.schedule.put(replace(task, parcels=left), self.clock())

    # Where to.

    def _target(self, task: DeliveryTask) -> Target | Verdict:
        """Where the session may go, or the verdict on everybody where there is nowhere to go."""
        try:
            route = self.routes.named(task.route)
        except NoRoute as error:
            return Verdict("", Fate.DEFERRED, note=f"The routes table has changed: {error}", cause="no_route")
        if route.relay is not None:
            return Target(
                route=route.name,
                hosts=(Host(route.relay.host, route.relay.port),),
                security=route.security,
                implicit_tls=route.relay.implicit_tls,
                credentials=route.relay.credentials,
            )
        return self._exchangers(route, task.destination)

    def _exchangers(self, route: Route, domain: str) -> Target | Verdict:
        match self.resolver.exchangers(domain):
            case MxFound(exchangers):
                hosts = in_order(exchangers, self.shuffle)[:MOST_HOSTS]
                return Target(
                    route=route.name,
                    hosts=tuple(Host(host, self.smtp_port) for host in hosts),
                    security=route.security,
                )
            case NullMx():  # RFC 7505 §3 and §4.1
                note = f"{domain} says by a null MX that it takes no mail"
                return Verdict("", Fate.REFUSED, note=note, enhanced="5.1.10", cause="null_mx")
            case NoDomain(why):
                return Verdict("", Fate.REFUSED, note=why, enhanced="5.1.2", cause="no_such_domain")
            case NoAnswer(why):
                return Verdict("", Fate.DEFERRED, note=why, cause="dns")

    # Claiming.

    def _open(self, task: DeliveryTask, ref: ParcelRef, opened: dict[int, _Opened]) -> Mail | None:
        """The parcel's letter, claimed and ready to go, or None where there is nothing to carry."""
        remembered = self.unrecorded.pop(f"{ref.submission}/{ref.number}", None)
        if remembered is not None:
            self._record(*remembered)
            return None
        letter, keys, trouble = self._letter(ref)
        now = self.clock()
        lease = Lease(self.holder, now, now + self.lease)
        franking = None
        if letter is not None and trouble is None:
            franking = Franking(letter.sender.domain, tuple(key.selector for key in keys))
        match self.submissions.claim(ref, lease, franking):
            case Claimed(submission, parcel, taken_over):
                ours = _Opened(submission, parcel)
                if (parcel.route, parcel.destination) != (task.route, task.destination) or not parcel.due(now):
                    # The record says where a letter goes and when, not whoever brings it.
                    self._record(self._settlement(ours).put_back(parcel), None)
                    return None
                ending = self._ending(ours, taken_over)
                if ending is not None:
                    self._record(ending, None)
                    return None
                if letter is None or trouble is not None:
                    self._give_back(ours, trouble or "The letter is gone from its store", lost=letter is None)
                    return None
                return self._franked(ours, letter, keys, opened)
            case Live(parcel, until):
                # Its holder may be dead: look again. Another name, or the task under way would swallow this one.
                self.schedule.put(parcel.task(ref.generation + 1), until)
            case Early(parcel):
                self.schedule.put(parcel.task(ref.generation + 1), parcel.next_attempt_at or now)
            case Over(parcel):
                self._put_next(parcel)
        return None

    def _letter(self, ref: ParcelRef) -> tuple[Letter | None, tuple[SigningKey, ...], str | None]:
        """The letter and the keys that sign it, and what is wrong with either."""
        stored = self.submissions.letter(ref.submission)
        if stored is None:
            return None, (), None
        try:
            letter = Letter.unpack(stored)
        except ValueError as error:
            return None, (), f"The stored letter is damaged: {error}"
        try:
            return letter, self.signing(letter.sender.domain), None
        except (SealError, UnusableKey) as error:
            return letter, (), f"The key of {letter.sender.domain} can't sign: {error}"

    def _give_back(self, ours: _Opened, note: str, *, lost: bool) -> None:
        """Settle a parcel whose letter can't go out: for good where it is lost, else for a later try."""
        now = self.clock()
        if lost:
            failed = self._settlement(ours).failed(ours.parcel, "letter_lost")
            self._record(failed, self._attempt(ours.parcel, Outcome.NOT_ATTEMPTED, now, note))
            return
        verdicts = tuple(
            Verdict(each.address, Fate.DEFERRED, note=note, cause="signing") for each in ours.parcel.due(now)
        )
        self._settle(ours, Carried(verdicts=verdicts, note=note))

    def _franked(
        self, ours: _Opened, letter: Letter, keys: tuple[SigningKey, ...], opened: dict[int, _Opened]
    ) -> Mail | None:
        try:
            mail = self._mail(ours.submission, ours.parcel, letter, keys)
        except (UnsendableLetter, UnsafeCommand) as error:
            failed = self._settlement(ours).failed(ours.parcel, "unsendable")
            self._record(failed, self._attempt(ours.parcel, Outcome.NOT_ATTEMPTED, self.clock(), str(error)))
            return None
        opened[id(mail)] = ours
        return mail

    def _settlement(self, ours: _Opened, mx: str | None = None) -> Settlement:
        return Settlement(ours.submission, self.policy, self.clock(), mx)

    def _ending(self, ours: _Opened, taken_over: bool) -> Parcel | None:
        """The settled parcel where a claimed one must not be attempted any more."""
        submission, parcel, settlement = ours.submission, ours.parcel, self._settlement(ours)
        if taken_over and submission.on_unknown == "hold":
            return settlement.held(parcel)
        if parcel.deaths >= MOST_DEATHS:
            return settlement.failed(parcel, "killed_its_worker")
        if self.policy.too_late(due=submission.date, now=settlement.now, expires_at=submission.expires_at):
            return settlement.expired(parcel)
        return None

    def _mail(self, submission: Submission, parcel: Parcel, letter: Letter, keys: tuple[SigningKey, ...]) -> Mail:
        """The letter for those who still wait for it. Raises `UnsendableLetter` or `UnsafeCommand`.

        Its octets are the same for every attempt: all that goes in was frozen with the letter or at the first claim.
        """
        frozen = parcel.franking.selectors if parcel.franking else ()
        signers = tuple(key for key in keys if key.selector in frozen)
        octets = render(letter, message_id=submission.message_id, date=submission.date, seed=submission.id)
        # RFC 6376 §3.5, x=: a copy that is delivered last of all must still verify.
        expires = submission.date + self.policy.give_up_after + timedelta(days=4)
        recipients = tuple(each.address for each in parcel.due(self.clock()))
        for command in (MailFrom(submission.return_path), *map(RcptTo, recipients)):
            command.encode()
        return Mail(
            submission.return_path,
            recipients,
            sign(octets, signers, at=submission.date, expires=expires),
            smtputf8=letter.needs_smtputf8 or not all(map(str.isascii, (submission.return_path, *recipients))),
            security=Security(submission.tls or Security.OPPORTUNISTIC),
        )

    # Settling.

    def _settle(self, ours: _Opened, carried: Carried) -> None:
        settlement = self._settlement(ours, carried.mx)
        now, parcel = settlement.now, settlement.settled(ours.parcel, carried.verdicts)
        notes = (verdict.note for verdict in carried.verdicts if verdict.note)
        attempt = self._attempt(ours.parcel, outcome_of(carried.verdicts), now, carried.note or next(notes, None))
        self._record(
            parcel,
            replace(
                attempt,
                mx=carried.mx,
                address=carried.address,
                tls=carried.tls,
                round_trips=carried.round_trips,
                transcript=carried.transcript,
            ),
        )

    def _attempt(self, parcel: Parcel, outcome: Outcome, now: datetime, note: str | None) -> Attempt:
        return Attempt(
            submission=parcel.submission,
            parcel=parcel.number,
            claim=parcel.claim,
            number=parcel.attempts + 1,
            route=parcel.route,
            destination=parcel.destination,
            started_at=parcel.lease.since if parcel.lease else now,
            finished_at=now,
            outcome=outcome,
            note=note and escaped(note),  # it may quote what a server said
        )

    def _record(self, parcel: Parcel, attempt: Attempt | None) -> None:
        """Settle, with some patience: what the server said is known to nobody else."""
        for pause in (*PAUSES, None):
            try:
                ours = self.submissions.settle(parcel, attempt)
                break
            except Unavailable:
                if pause is None:
                    # The task comes again; while this process lives it need not guess how the attempt ended.
                    self.unrecorded[parcel.key] = (parcel, attempt)
                    raise
                self.pause(pause)
        if ours:  # else somebody took it over, and what comes next is theirs to put
            if attempt is not None:
                self.told(attempt)
            self._put_next(parcel)

    def _put_next(self, parcel: Parcel) -> None:
        if parcel.open and parcel.lease is None:
            self.schedule.put(parcel.task(), parcel.next_attempt_at or self.clock())
