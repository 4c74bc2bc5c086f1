"""What workers tell each other of destinations, through the directory of every home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.admission import Admission, NotNow, Visit
from postroom.delivery.health import PLACES, Pace
from postroom.ports import Directory
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Verdict
from tests.contracts.samples import MINUTE, NOON, task
from tests.contracts.threads import at_once

TASK = task(destination="slow.example")
UNREACHED = (Verdict("ann@slow.example", Fate.DEFERRED, cause="connection_timeout"),)
TAKEN = (Verdict("ann@slow.example", Fate.ACCEPTED, Reply(250, ("taken",))),)


class World:
    """Workers over one directory, each of a process of its own, and the clock they share."""

    def __init__(self, directory: Directory) -> None:
        self.now = NOON
        self._first = Admission(
            directory=directory,
            pace=Pace(),
            clock=lambda: self.now,
            monotonic=lambda: self.now.timestamp(),
            slow_after=20,
            longest=timedelta(minutes=13),
            holder="0",
        )

    def worker(self, number: int) -> Admission:
        return replace(self._first, holder=str(number))

    def admitted(self, asking: int = 20) -> list[Visit]:
        """Of so many workers that ask at once, those that may go."""
        answers = at_once(asking, lambda number: self.worker(number)(TASK))
        return [answer for answer in answers if isinstance(answer, Visit)]

    def session(self, tells: Callable[[Visit], None], takes: timedelta = timedelta()) -> None:
        visit = self.worker(99)(TASK)
        assert not isinstance(visit, NotNow)
        with visit:
            self.now += takes
            tells(visit)


@pytest.fixture
def world(directory: Directory) -> World:
    return World(directory)


def test_of_all_who_ask_at_once_a_slow_destination_has_a_few(world: World, directory: Directory) -> None:
    assert len(world.admitted()) == 20
    world.session(lambda visit: visit.saw(TAKEN), takes=timedelta(seconds=21))
    admitted = world.admitted()
    assert len(admitted) == PLACES
    with admitted[0], admitted[1]:
        assert world.admitted() == []
    assert len(world.admitted()) == 2
    assert len(directory.list("slot")) == PLACES


def test_of_all_who_ask_at_once_after_a_rest_one_tries(world: World, directory: Directory) -> None:
    for _ in range(3):
        world.session(lambda visit: visit.saw(UNREACHED))
        world.now += MINUTE / 2
    assert world.admitted() == []
    world.now += MINUTE
    (one,) = world.admitted()
    with one:
        one.saw(TAKEN)
        assert len(world.admitted()) == 20
    assert directory.list("health") == directory.list("slot") == []
