"""Carrying a task's parcels: the use case of functions/deliver.

Each parcel is claimed by one conditional update, its letter rendered and signed, carried over the wire, and
settled as soon as its verdict is known; then what comes next is put. Whatever happens in between, the task
comes again, and a task that finds its work done puts again what should follow and is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from postroom.admission import Admission, NotNow, Visit
from postroom.claims import Claimed, Claims, Early, Live, Over
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Franking, Lease, Parcel, Standing, standing
from postroom.delivery.record import microseconds
from postroom.delivery.retry import RetryPolicy
from postroom.delivery.routing import Route, Target
from postroom.delivery.settlement import Settlement, outcome_of
from postroom.delivery.status import Outcome
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.delivery.together import together
from postroom.destination import Elsewhere
from postroom.enclosures import Enclosed, Enclosures, UnderWay
from postroom.message.dkim import SigningKey
from postroom.outgoing import Outgoing
from postroom.ports import Carried, Found, NotFetched, Schedule, Unavailable, Wire
from postroom.smtp.envelope import Mail
from postroom.smtp.transcript import bounded, escaped
from postroom.smtp.verdict import Fate, Verdict

MOST_DEATHS = 8  # workers in a row that may die with a letter before it is parked as `failed`
PAUSES = (0.1, 0.5, 2.0, 5.0)  # seconds between tries to record a verdict that must not be lost

_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A parcel under our claim, and the letter as it goes out."""

    submission: Submission
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """The route whose a destination's servers turned out to be, and the parcels that go on in its queue."""

    route: Route
    parcels: list[Parcel] = field(default_factory=list)


class _Incomplete(Exception):
    """A letter can't be claimed yet: some of its files are still to be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Carries the parcels of a task. Raises `Unavailable` where an outcome could not be recorded."""

    claims: Claims
    schedule: Schedule
    admission: Admission
    destination: Callable[[DeliveryTask], Target | Verdict | Elsewhere]
    wire: Wire
    enclosures: Enclosures
    policy: RetryPolicy
    signing: Callable[[str, Sequence[str] | None], tuple[SigningKey, ...]]  # the keys of a From domain
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    pause: Callable[[float], None]
    holder: str  # names this process in its claims
    lease: timedelta
    session_seconds: float  # what one task may take, well within the lease
    begin_seconds: float  # no letter of a task is begun later than this; those that are left are put back
    has_fallback: Callable[[DeliveryTask], bool] = lambda _: False  # whether its route has another to take its place
    told: Callable[[Attempt], None] = lambda _: None  # called with each attempt once it is recorded
    spared: Callable[[Parcel, datetime], Parcel] = lambda parcel, _: parcel  # without whom no letter is sent to
    follow: Callable[[Parcel], None] = lambda _: None  # does what follows from how recipients ended; may come twice
    together: Callable[[], AbstractContextManager[None]] = nullcontext  # what follows in here may share calls
    unrecorded: dict[str, tuple[Parcel, Attempt | None]] = field(default_factory=dict)  # by the parcel's key

    def __call__(self, task: DeliveryTask) -> None:
        with self.together():
            self._record_what_is_remembered()
            self._do(task)

    def _do(self, task: DeliveryTask) -> None:
        until = self.monotonic() + self.session_seconds
        incomplete: tuple[ParcelRef, ...] = ()
        match self.admission(task):
            case NotNow() as wait:
                detour = self._detour(task, wait)
                visit = self.admission(replace(task, route=detour.route)) if detour is not None else wait
                if detour is not None and isinstance(visit, Visit):
                    with visit:
                        incomplete = self._carry(task, detour, visit)
                else:
                    self._wait(task, wait)
            case Visit() as visit:
                with visit:
                    incomplete = self._carry(task, self.destination(task), visit)
        self._enclose(task, incomplete, until)

    def _detour(self, task: DeliveryTask, wait: NotNow) -> Target | None:
        """Where the letters of a destination that rests may go instead; one that is only slow keeps its own."""
        if not wait.health.is_resting(self.clock()) or not self.has_fallback(task):
            return None
        try:
            found = self.destination(task)
        except Unavailable:
            return None
        if not isinstance(found, Target):
            return None
        return found if found.route != task.route else found.fallback

    def _carry(self, task: DeliveryTask, found: Target | Verdict | Elsewhere, visit: Visit) -> tuple[ParcelRef, ...]:
        """Those are handed back whose letters still lack files."""
        began = self.monotonic()
        deadline, no_more = began + self.session_seconds, began + self.begin_seconds
        refs = iter(task.parcels)
        elsewhere, target = (_Elsewhere(found.route), found.here) if isinstance(found, Elsewhere) else (None, found)
        opened: dict[int, _Opened] = {}
        incomplete: list[ParcelRef] = []
        # A home that fails in the middle must not tear down a session whose letters are on their way.
        trouble: list[Unavailable] = []

        def mails() -> Iterator[Mail]:
            while not trouble and self.monotonic() < no_more and (ref := next(refs, None)) is not None:
                try:
                    mail = self._open(task, ref, opened, elsewhere)
                except _Incomplete:
                    incomplete.append(ref)
                    continue
                except Unavailable as error:
                    trouble.append(error)
                    return
                if mail is not None:
                    yield mail

        def settled(mail: Mail, carried: Carried) -> None:
            try:
                self._settle(opened.pop(id(mail)), carried, target.note if isinstance(target, Target) else None)
            except Unavailable as error:
                trouble.append(error)
            # What a fallback carried tells nothing of the destination but that it wasn't reached.
            missed = carried.missed or (
                "dns" if visit.is_of(task) and carried.route not in (None, task.route) else None
            )
            visit.saw(carried.verdicts if missed is None else (Verdict("", Fate.DEFERRED, cause=missed),))

        def mark(mail: Mail) -> bool:
            ours = opened[id(mail)]
            try:
                marked = self.claims.mark(ours.parcel)
            except Unavailable:
                return False  # what can't be written down beforehand is not said
            if marked is not None:
                opened[id(mail)] = replace(ours, parcel=marked)
            return marked is not None

        if isinstance(target, Target):
            self.wire.converse(target, mails(), deadline, mark, settled)
        else:
            for mail in mails():
                verdicts = tuple(replace(target, recipient=recipient) for recipient in mail.recipients)
                settled(mail, Carried(verdicts=verdicts, note=target.note))
        if elsewhere is not None:
            self._put_on(elsewhere)
        if trouble:
            raise trouble[0]
        left = tuple(refs)
        if left:
            self.schedule.put(replace(task, parcels=left).again(), self.clock())
        return tuple(incomplete)

    def _enclose(self, task: DeliveryTask, incomplete: tuple[ParcelRef, ...], until: float) -> None:
        """Have the letters' files fetched, and bring the letters again.

        That may take long, so it is done where no claim, no session and no place at the destination is held by it.
        """
        ready: list[ParcelRef] = []
        for place, ref in enumerate(incomplete):
            left = until - self.monotonic()
            if left <= 0:
                ready += incomplete[place:]  # they have their time in the next run
                break
            match self.enclosures(ref.submission, left):
                case Enclosed():
                    ready.append(ref)
                case UnderWay(again_at):
                    self.schedule.put(replace(task, parcels=(ref,)).again(), again_at)
                case NotFetched() as missing:
                    self._see_to(task, ref, missing=missing)
        if ready:
            self.schedule.put(replace(task, parcels=tuple(ready)).again(), self.clock())

    # Waiting.

    def _wait(self, task: DeliveryTask, wait: NotNow) -> None:
        """Put each parcel's task back until its destination may be asked: nothing is claimed, no attempt counts."""
        now = self.clock()
        later: list[tuple[DeliveryTask, datetime]] = []
        for ref in task.parcels:
            found = self.claims.submissions.find(ref.submission, ref.number)
            if found is None:
                continue
            submission, parcel = found.submission, found.parcel
            end = self.policy.end(submission.due_since(parcel), submission.expires_at)
            free = standing(parcel, ref, now, holder_is_dead=False) is Standing.FREE
            if not free or now > end or (parcel.route, parcel.destination) != (task.route, task.destination):
                # What becomes of it is nothing that its destination could decide.
                self._see_to(task, ref, kept_by=wait.health.cause)
                continue
            due = submission.due(parcel)
            # It ends in time, however long the rest is.
            at = min(wait.again(parcel.key, due, now), end + _MOMENT)
            # Copies that wait for the same moment get one name: no sweep multiplies them.
            named = max(_after(ref, parcel), microseconds(at))
            later.append((parcel.task(named), at))
        self.schedule.put_many(later)

    def _see_to(
        self, task: DeliveryTask, ref: ParcelRef, *, kept_by: str | None = None, missing: NotFetched | None = None
    ) -> None:
        """All that is to be done for a parcel but to carry it: it expires, or a dead worker's claim is ended."""
        opened: dict[int, _Opened] = {}
        if self._open(task, ref, opened, kept_by=kept_by, complete=False, missing=missing) is not None:
            ((_, ours),) = opened.items()
            self._record(self._settlement(ours).put_back(ours.parcel), None)

    # Claiming.

    def _open(
        self,
        task: DeliveryTask,
        ref: ParcelRef,
        opened: dict[int, _Opened],
        elsewhere: _Elsewhere | None = None,
        kept_by: str | None = None,
        complete: bool = True,
        missing: NotFetched | None = None,
    ) -> Mail | None:
        """The parcel's letter, claimed and ready to go, or None where there is nothing to carry.

        `elsewhere` takes those that go on in another queue, `kept_by` is the cause for which nobody was asked. A
        letter that must be `complete` and isn't raises `_Incomplete`; else `missing` is why it isn't.
        """
        letters: list[Outgoing] = []

        def frank(found: Found) -> Franking | None:
            letters.append(Outgoing.of(found, self.claims.submissions, self.signing))
            if letters[-1].incomplete and complete and not self._is_too_late(found.submission, found.parcel, now):
                raise _Incomplete
            return letters[-1].franking

        now = self.clock()
        lease = Lease(self.holder, now, now + self.lease)
        # A letter that a worker died with goes on by itself: if it was the reason, no other is to die with it again.
        alone = len(task.parcels) == 1
        match self.claims.claim(ref, lease, frank, lambda parcel: self.spared(parcel, now), take_over=alone):
            case Claimed(submission, parcel):
                outgoing = letters[-1]
                ours = _Opened(submission, parcel)
                if (parcel.route, parcel.destination) != (task.route, task.destination) or not parcel.due(now):
                    # The record says where a letter goes and when, not whoever brings it.
                    self._record(self._settlement(ours).put_back(parcel), None)
                    return None
                ending = self._ending(ours, kept_by)
                if ending is not None:
                    self._record(ending, None)
                    return None
                if elsewhere is not None and submission.route is None:
                    # It goes on in the queue of the route that takes it. A letter that names its route stays there.
                    route, back = elsewhere.route, self._settlement(ours).put_back(parcel)
                    self._record(replace(back, route=route.name, queue=route.queue), None, elsewhere.parcels.append)
                    return None
                if outgoing.incomplete:
                    if missing is None:
                        self._record(self._settlement(ours).put_back(parcel), None)
                    else:
                        self._give_back(ours, "attachment", missing.why, for_good=missing.for_good)
                    return None
                if outgoing.trouble is not None:
                    lost = outgoing.letter is None
                    self._give_back(ours, "letter_lost" if lost else "signing", outgoing.trouble, for_good=lost)
                    return None
                return self._franked(ours, outgoing, opened)
            case Live(parcel, until):
                # Its holder may be dead: look again.
                self.schedule.put(parcel.task(_after(ref, parcel)), until)
            case Early(parcel):
                self.schedule.put(parcel.task(_after(ref, parcel)), parcel.next_attempt_at or now)
            case Over(parcel):
                self._put_next(parcel)
        return None

    def _give_back(self, ours: _Opened, cause: str, note: str, *, for_good: bool) -> None:
        """Settle a parcel whose letter can't go out: for good, or for a later try."""
        if for_good:
            self._fail(ours, cause, note)
            return
        due = ours.parcel.due(self.clock())
        verdicts = tuple(Verdict(each.address, Fate.DEFERRED, note=note, cause=cause) for each in due)
        self._settle(ours, Carried(verdicts=verdicts, note=note))

    def _franked(self, ours: _Opened, outgoing: Outgoing, opened: dict[int, _Opened]) -> Mail | None:
        try:
            mail = outgoing.mail(ours.submission, ours.parcel, self.clock(), self.policy.verifiable_for)
        except ValueError as error:  # `UnsendableLetter`, `UnsafeCommand`, or what nobody thought of
            self._fail(ours, "unsendable", str(error))
            return None
        opened[id(mail)] = ours
        return mail

    def _fail(self, ours: _Opened, cause: str, note: str) -> None:
        settlement = self._settlement(ours)
        failed = settlement.failed(ours.parcel, cause)
        self._record(failed, self._attempt(ours.parcel, Outcome.NOT_ATTEMPTED, settlement.now, note))

    def _settlement(self, ours: _Opened, mx: str | None = None) -> Settlement:
        return Settlement(ours.submission, self.policy, self.clock(), mx)

    def _ending(self, ours: _Opened, kept_by: str | None) -> Parcel | None:
        """The settled parcel where a claimed one must not be attempted any more."""
        submission, parcel, settlement = ours.submission, ours.parcel, self._settlement(ours)
        if parcel.deaths >= MOST_DEATHS:
            return settlement.failed(parcel, "killed_its_worker")
        if self._is_too_late(submission, parcel, settlement.now):
            return settlement.expired(parcel, kept_by)
        return None

    def _is_too_late(self, submission: Submission, parcel: Parcel, now: datetime) -> bool:
        return self.policy.too_late(due=submission.due_since(parcel), now=now, expires_at=submission.expires_at)

    # Settling.

    def _settle(self, ours: _Opened, carried: Carried, besides: str | None = None) -> None:
        settlement = self._settlement(ours, carried.mx)
        now, parcel = settlement.now, settlement.settled(ours.parcel, carried.verdicts)
        notes = (verdict.note for verdict in carried.verdicts if verdict.note)
        note = "; ".join(filter(None, (carried.note or next(notes, None), besides))) or None
        attempt = self._attempt(ours.parcel, outcome_of(carried.verdicts), now, note)
        self._record(
            parcel,
            replace(
                attempt,
                route=carried.route or attempt.route,
                mx=carried.mx,
                address=carried.address,
                tls=carried.tls,
                round_trips=carried.round_trips,
                transcript=bounded(carried.transcript),
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

    def _record(
        self, parcel: Parcel, attempt: Attempt | None, put_next: Callable[[Parcel], None] | None = None
    ) -> None:
        """Settle, with some patience: what the server said is known to nobody else."""
        for pause in (*PAUSES, None):
            try:
                ours = self.claims.settle(parcel, attempt)
                break
            except Unavailable:
                if pause is None:
                    # The task comes again; while this process lives it need not guess how the attempt ended.
                    self.unrecorded[parcel.key] = (parcel, attempt)
                    raise
                self.pause(pause)
        if ours is not None:  # else somebody took it over, and what comes next is theirs to put
            if attempt is not None:
                self.told(attempt)
            (put_next or self._put_next)(ours)

    def _record_what_is_remembered(self) -> None:
        """Before anything new: nobody else knows how these attempts ended, and their letters would be sent again."""
        for key in list(self.unrecorded):
            remembered = self.unrecorded.pop(key, None)
            if remembered is not None:
                self._record(*remembered)

    def _put_on(self, elsewhere: _Elsewhere) -> None:
        """The tasks in another route's queue. Where a crash loses them, this task comes again and puts each."""
        due = [(parcel, parcel.next_attempt_at or self.clock()) for parcel in elsewhere.parcels]
        self.schedule.put_many(together(due, () if elsewhere.route.rate is None else (elsewhere.route.queue,)))

    def _put_next(self, parcel: Parcel) -> None:
        if parcel.open and parcel.lease is None:
            self.schedule.put(parcel.task(), parcel.next_attempt_at or self.clock())
        self.follow(parcel)


def _after(ref: ParcelRef, parcel: Parcel) -> int:
    """The generation of the task that follows this one: its own name would be swallowed by the task under way."""
    return max(ref.generation + 1, parcel.generation)
