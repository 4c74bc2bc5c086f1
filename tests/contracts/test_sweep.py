"""The sweep over every home: what it reads is counted, and bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask
from postroom.ports import Mark
from postroom.sweep import Sweep, Swept
from tests.contracts.homes import Home
from tests.contracts.samples import (
    LETTER,
    MINUTE,
    NOON,
    attempt,
    claimed,
    deferred,
    delivered,
    lease,
    submission,
    unfranked,
)
from tests.contracts.samples import ref as named


@dataclass
class Counted:
    """A port of the home whose calls are counted, and the submissions that a walk handed out."""

    port: Any
    calls: Counter[str] = field(default_factory=Counter)
    walked: int = 0

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self.port, name)

    def created_since(self, mark: Mark | None, until: datetime, limit: int) -> Any:
        self.calls["created_since"] += 1
        page = self.port.created_since(mark, until, limit)
        self.walked += len(page)
        return page


@dataclass
class Tasks:
    """A schedule that keeps what is put."""

    put_: list[DeliveryTask] = field(default_factory=list)

    def put(self, task: DeliveryTask, not_before: datetime) -> None:
        assert not_before
        self.put_.append(task)


@dataclass
class Sweeper:
    home: Home
    now: datetime = NOON + 60 * MINUTE
    tasks: Tasks = field(default_factory=Tasks)

    def run(self, most: int = 50_000) -> tuple[Swept, Counted, Counted]:
        submissions, directory = Counted(self.home.submissions), Counted(self.home.directory)
        sweep = Sweep(
            submissions=submissions,
            schedule=self.tasks,  # type: ignore[arg-type]  # all that a sweep uses
            directory=directory,
            clock=lambda: self.now,
            monotonic=lambda: 0.0,
            identify=lambda: uuid4().hex,
            after=10 * MINUTE,
            seconds=60,
            most=most,
        )
        return sweep(), submissions, directory


def stored(home: Home, *, at: datetime = NOON, settled: str = "delivered") -> Submission:
    """A letter that was delivered, deferred for half a day, or forgotten."""
    letter = home.submissions.create(submission(created_at=at), LETTER)
    if settled != "forgotten":
        mine = claimed(home.claims.claim(named(letter), lease(), unfranked)).parcel
        after = delivered(mine) if settled == "delivered" else deferred(mine, NOON + timedelta(hours=12))
        assert home.claims.settle(after, attempt(mine))
    return letter


def test_what_is_done_is_read_once_and_never_again(home: Home) -> None:
    for minute in range(12):
        stored(home, at=NOON + minute * MINUTE)
    sweeper = Sweeper(home)
    swept, submissions, directory = sweeper.run()
    assert swept == Swept(walked=12)
    assert (submissions.walked, dict(submissions.calls)) == (12, {"created_since": 1})
    assert dict(directory.calls) == {"get": 1, "put": 1, "list": 1}
    swept, submissions, directory = sweeper.run()
    assert swept == Swept()
    assert (submissions.walked, dict(submissions.calls)) == (0, {"created_since": 1})
    assert dict(directory.calls) == {"get": 1, "list": 1}


def test_what_waits_is_read_again_only_when_it_is_late(home: Home) -> None:
    waiting = [stored(home, settled="deferred") for _ in range(3)]
    forgotten = stored(home, settled="forgotten")
    sweeper = Sweeper(home)
    assert sweeper.run()[0] == Swept(walked=4, put_back=1)
    assert [task.parcels[0].submission for task in sweeper.tasks.put_] == [forgotten.id]
    for minutes in (10, 30):
        sweeper.now = NOON + (60 + minutes) * MINUTE
        swept, submissions, _ = sweeper.run()
        assert swept == Swept()
        assert submissions.calls["get"] <= 1, "but for what became of the task that was put"
    sweeper.now = NOON + timedelta(hours=12, minutes=20)
    swept, submissions, _ = sweeper.run()
    assert swept == Swept(followed=4, put_back=4), "the forgotten one is late again too"
    assert submissions.calls["get"] <= 5
    assert {task.parcels[0].submission for task in sweeper.tasks.put_} == {each.id for each in (*waiting, forgotten)}


def test_a_run_is_bounded_and_the_next_goes_on(home: Home) -> None:
    for _ in range(5):
        stored(home, settled="forgotten")
    sweeper = Sweeper(home)
    assert sweeper.run(most=0)[0] == Swept(caught_up=False)
    assert sweeper.run()[0] == Swept(walked=5, put_back=5)
    sweeper.now += timedelta(hours=2)
    assert sweeper.run(most=0)[0].caught_up is False
    assert sweeper.run()[0] == Swept(followed=5, put_back=5)
    assert len({task.name for task in sweeper.tasks.put_}) == 10


def test_letters_of_one_moment_are_all_met(home: Home) -> None:
    for _ in range(4):
        stored(home, settled="forgotten")
    late = replace(stored(home, settled="forgotten"), created_at=NOON)
    sweeper = Sweeper(home)
    assert sweeper.run()[0].put_back == 5
    assert late.id in {task.parcels[0].submission for task in sweeper.tasks.put_}
