"""The two use cases over the real stores of one machine, with a wire that does as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from postroom.accept import Accept, SubmitRequest
from postroom.acting import ActingWire
from postroom.admission import Admission
from postroom.change import Change
from postroom.claims import Claims
from postroom.clouds.local.database import Database
from postroom.clouds.local.directory import LocalDirectory
from postroom.clouds.local.holders import LocalHolders
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.consequences import Consequences
from postroom.deliver import Deliver
from postroom.delivery.health import Pace
from postroom.delivery.news import Wanted
from postroom.delivery.notice import Notice
from postroom.delivery.only_to import OnlyTo
from postroom.delivery.retry import RetryPolicy
from postroom.delivery.routing import MX_FOR_EVERYTHING, Exchanger, Routes, Target
from postroom.delivery.sts import Policy
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask
from postroom.destination import Destinations
from postroom.enclosures import Enclosures
from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter
from postroom.ports import (
    Carried,
    Cursor,
    Fetched,
    MxFound,
    NoAnswer,
    NoDomain,
    NotFetched,
    NullMx,
    Schedule,
    Task,
    Unavailable,
    Wire,
)
from postroom.smtp.envelope import Mail
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Verdict
from postroom.sparing import Sparing
from postroom.suppressions import Suppressions
from postroom.sweep import Sweep
from postroom.telling import Telling
from postroom.webhooks import Listeners

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TAKEN = Reply(250, ("2.0.0 taken",))

Judge = Callable[[Mail], tuple[Verdict, ...]]


def taken(mail: Mail) -> tuple[Verdict, ...]:
    return tuple(Verdict(each, Fate.ACCEPTED, TAKEN) for each in mail.recipients)


def deferred(mail: Mail) -> tuple[Verdict, ...]:
    return tuple(Verdict(each, Fate.DEFERRED, Reply(450, ("4.2.1 not now",))) for each in mail.recipients)


def lost(mail: Mail) -> tuple[Verdict, ...]:
    return tuple(Verdict(each, Fate.UNKNOWN, cause="reply_lost") for each in mail.recipients)


@dataclass
class FakeWire:
    """Carries each letter at once, judged by `judge`; `most` is how many a session takes."""

    judge: Judge = taken
    most: int = 100
    missed: str | None = None  # why the target's own servers weren't reached
    carried: list[Mail] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    before: Callable[[], None] = lambda: None  # called with the claim held, before the mark
    after_mark: Callable[[], None] = lambda: None  # called before the verdict

    def converse(
        self,
        target: Target,
        mails: Iterator[Mail],
        deadline: float,
        mark: Callable[[Mail], bool],
        settled: Callable[[Mail, Carried], None],
    ) -> None:
        assert deadline > 0
        self.targets.append(target)
        for _ in range(self.most):
            mail = next(mails, None)
            if mail is None:
                return
            self.carried.append(mail)
            self.before()
            if mail.marked and not mark(mail):
                settled(mail, Carried(verdicts=tuple(Verdict(each, Fate.DEFERRED) for each in mail.recipients)))
                continue
            self.after_mark()
            settled(
                mail,
                Carried(
                    verdicts=self.judge(mail),
                    mx="mx.example.net",
                    address="192.0.2.1",
                    round_trips=2,
                    missed=self.missed,
                ),
            )


@dataclass
class FakeSchedule:
    """Keeps what was put; a test runs it."""

    put_: list[tuple[DeliveryTask, datetime]] = field(default_factory=list)
    notices: list[tuple[Notice, datetime]] = field(default_factory=list)
    down: Unavailable | None = None

    def put(self, task: Task, not_before: datetime) -> None:
        self.put_many([(task, not_before)])

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        if self.down is not None:
            raise self.down
        self.put_ += ((task, at) for task, at in tasks if isinstance(task, DeliveryTask))
        self.notices += ((task, at) for task, at in tasks if isinstance(task, Notice))

    def cancel(self, task: Task) -> None:
        self.put_ = [each for each in self.put_ if each[0].name != task.name]

    def take(self) -> tuple[DeliveryTask, datetime]:
        """The only task that is waiting."""
        (one,) = self.put_
        self.put_.clear()
        return one


@dataclass
class FakeResolver:
    answer: MxFound | NullMx | NoDomain | NoAnswer = field(
        default_factory=lambda: MxFound((Exchanger(10, "mx.example.net"),))
    )

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer:
        assert domain
        return self.answer


@dataclass
class FakeWeb:
    """Files by their URLs. What isn't there is 404."""

    files: dict[str, Fetched | NotFetched] = field(default_factory=dict)
    asked: list[tuple[str, int, float]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None  # called before each answer

    def __call__(self, url: str, most: int, seconds: float) -> Fetched | NotFetched:
        self.asked.append((url, most, seconds))
        self.before()
        return self.files.get(url, NotFetched("files.example: it answered with status 404", for_good=True))


class UseCases:
    """Accept and deliver, with a clock that a test moves."""

    def __init__(self, folder: Path, routes: Routes = MX_FOR_EVERYTHING) -> None:
        self.now = NOON
        self.seconds = 1.0  # on the monotonic clock
        self.database = Database(folder)
        self.database.prepare()
        self.submissions = LocalSubmissions(self.database)
        self.directory = LocalDirectory(self.database)
        self.schedule = FakeSchedule()
        self.wire = FakeWire()
        self.resolver = FakeResolver()
        self.web = FakeWeb()
        self.policies: dict[str, Policy] = {}
        self.pauses: list[float] = []
        self.only_to: OnlyTo | None = None
        self.suppressions = Suppressions(directory=self.directory, clock=lambda: self.now, randomness=iter_randomness())
        self.accept = Accept(
            submissions=self.submissions,
            schedule=self.schedule,
            directory=self.directory,
            routes=routes,
            clock=lambda: self.now,
            randomness=iter_randomness(),
            secret=lambda: b"secret",
            any_sender=True,
            spared=lambda parcel, now: self.sparing.by_settings(parcel, now),
            wanted=self.wanted,
        )
        self.change = Change(
            claims=Claims(submissions=self.submissions, wanted=self.wanted),
            schedule=self.schedule,
            directory=self.directory,
            clock=lambda: self.now,
            sweep_after=timedelta(minutes=10),
            tell=self.telling(self.schedule),
        )
        self.holders: list[LocalHolders] = []
        self._notes = count()
        self.deliver = self.worker("me")

    @property
    def sparing(self) -> Sparing:
        return Sparing(suppressions=self.suppressions, only_to=self.only_to, actors=self.accept.routes.actors)

    @property
    def wanted(self) -> Callable[[], Wanted]:
        return Listeners(memory=self.directory).wanted

    @property
    def sweep(self) -> Sweep:
        return Sweep(
            submissions=self.submissions,
            schedule=self.schedule,
            directory=self.directory,
            clock=lambda: self.now,
            monotonic=lambda: 1.0,
            identify=lambda: f"{next(self._notes):06}",
            after=timedelta(minutes=10),
            seconds=60,
        )

    def telling(self, schedule: Schedule) -> Telling:
        return Telling(schedule=schedule, clock=lambda: self.now, monotonic=lambda: self.seconds)

    def worker(
        self, holder: str, submissions: LocalSubmissions | None = None, schedule: Schedule | None = None
    ) -> Deliver:
        """A worker that lives until `kill_the_last` or `close`."""
        submissions, schedule = submissions or self.submissions, schedule or self.schedule
        telling = self.telling(schedule)
        self.holders.append(LocalHolders(self.database.folder / "locks"))
        destinations = Destinations(
            routes=self.accept.routes,
            resolver=self.resolver,
            shuffle=lambda _: None,
            policy=lambda domain: self.policies.get(domain),
        )
        claims = Claims(submissions=submissions, holders=self.holders[-1], wanted=self.wanted)
        actors = self.accept.routes.actors
        wire: Wire = self.wire
        if actors is not None:
            wire = ActingWire(wire=wire, actors=actors, helo="me.example", monotonic=lambda: self.seconds)
        return Deliver(
            claims=claims,
            schedule=schedule,
            admission=Admission(
                directory=self.directory,
                pace=Pace(),
                clock=lambda: self.now,
                monotonic=lambda: self.seconds,
                slow_after=20,
                longest=timedelta(seconds=780),
                holder=holder,
            ),
            destination=destinations,
            has_fallback=destinations.has_fallback,
            wire=wire,
            enclosures=Enclosures(
                submissions=submissions,
                directory=self.directory,
                fetch=self.web,
                clock=lambda: self.now,
                monotonic=lambda: self.seconds,
                holder=holder,
                holders=self.holders[-1],
            ),
            policy=RetryPolicy(spread=0),
            signing=lambda *_: (),
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
            pause=self.pauses.append,
            holder=holder,
            lease=timedelta(seconds=840),
            session_seconds=750,
            begin_seconds=450,
            spared=lambda parcel, now: self.sparing(parcel, now),
            follow=Consequences(
                suppressions=self.suppressions, claims=claims, clock=lambda: self.now, actors=actors, tell=telling
            ),
            together=telling.together,
        )

    def die_with(self, task: DeliveryTask, *, marked: bool = False) -> None:
        """A worker breaks off with the claim in its hands, before or after the letter's end was marked.

        It lives on until `kill_the_last`, as far as others can tell.
        """

        class Killed(BaseException):
            pass

        def die() -> None:
            raise Killed

        if marked:
            self.wire.after_mark = die
        else:
            self.wire.before = die
        with pytest.raises(Killed):
            self.worker(f"doomed-{self.now.timestamp():.0f}")(task)
        self.wire.before = self.wire.after_mark = lambda: None

    def kill_the_last(self) -> None:
        """The worker that was made last is dead: its lock goes with it."""
        self.holders.pop().close()

    def close(self) -> None:
        for each in self.holders:
            each.close()
        self.database.close()

    def request(self, *to: str, paths: Sequence[str] = (), **options: object) -> SubmitRequest:
        letter = Letter(
            sender=Mailbox.parse("alice@example.org"),
            to=tuple(map(Mailbox.parse, to or ("bob@example.net",))),
            subject="hello",
            text="hello",
            attachments=tuple(
                Attachment(
                    filename=path.rpartition("/")[2],
                    content_type="application/pdf" if path.endswith(".pdf") else "",
                    path=path,
                )
                for path in paths
            ),
        )
        return SubmitRequest(letter=letter, fingerprint="f", **options)  # type: ignore[arg-type]  # by name

    def submit(self, *to: str, **options: object) -> Submission:
        return self.accept(self.request(*to, **options))  # type: ignore[arg-type]  # by name

    def stored(self, submission: Submission) -> Submission:
        found = self.submissions.get(submission.id)
        assert found is not None
        return found

    def statuses(self, submission: Submission) -> list[str]:
        return [str(each.status) for each in self.stored(submission).recipients]

    def outcomes(self, submission: Submission) -> list[str]:
        """Oldest first."""
        page = self.submissions.attempts(submission.id, Cursor(limit=100))
        return [str(attempt.outcome) for attempt in page.items][::-1]


def iter_randomness() -> Callable[[int], bytes]:
    numbers = iter(range(1, 1000))
    return lambda count: next(numbers).to_bytes(count, "big")
