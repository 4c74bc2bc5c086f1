"""The limit of a key's requests, over several processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postroom.clouds.local.counters import LocalCounters
from postroom.clouds.local.database import Database
from postroom.ports import Unavailable
from postroom.rates import Rates
from tests.contracts.threads import at_once

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


class Tally:
    """The counters of one machine, and how often they were asked."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder)
        self.database.prepare()
        self.counters = LocalCounters(self.database)
        self.asked = 0
        self.down: Unavailable | None = None

    def add(self, name: str, stretch: int, number: int) -> int:
        self.asked += 1
        if self.down:
            raise self.down
        return self.counters.add(name, stretch, number)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def tally(tmp_path: Path) -> Iterator[Tally]:
    tally = Tally(tmp_path)
    yield tally
    tally.database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_as_many_requests_as_the_limit_are_within_it_each_second(tally: Tally, clock: Clock) -> None:
    rates = Rates(tally, 3, clock)
    stood = [rates.take("shop") for _ in range(5)]
    assert [each.within for each in stood] == [True, True, True, False, False]
    assert [each.remaining for each in stood] == [2, 1, 0, 0, 0]
    assert rates.take("office").within
    clock.now += timedelta(seconds=1)
    assert [rates.take("shop").within for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_asks_nobody(tally: Tally, clock: Clock) -> None:
    rates = Rates(tally, 2, clock)
    for _ in range(100):
        rates.take("shop")
    assert tally.asked == 2


@pytest.mark.parametrize(("limit", "most"), [(5, 5), (100, 19), (1000, 31)])
def test_a_busy_process_asks_seldom_and_gets_all(tally: Tally, clock: Clock, limit: int, most: int) -> None:
    rates = Rates(tally, limit, clock)
    assert sum(rates.take("shop").within for _ in range(2 * limit)) == limit
    assert tally.asked <= most


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_several_processes_together_stay_within_the_limit(tally: Tally, clock: Clock, limit: int) -> None:
    processes = [Rates(tally, limit, clock) for _ in range(4)]
    for _ in range(3):
        within: Counter[int] = Counter()

        def ask(number: int, within: Counter[int] = within) -> None:
            within[number] = sum(processes[number % 4].take("shop").within for _ in range(limit))

        at_once(8, ask)
        assert 0.8 * limit <= within.total() <= limit
        clock.now += timedelta(seconds=1)


def test_an_idle_process_holds_little_back(tally: Tally, clock: Clock) -> None:
    idle, busy = Rates(tally, 100, clock), Rates(tally, 100, clock)
    assert sum(idle.take("shop").within for _ in range(20)) == 20
    assert sum(busy.take("shop").within for _ in range(100)) >= 75


def test_a_home_out_of_reach_stops_no_mail(tally: Tally, clock: Clock) -> None:
    told: list[Unavailable] = []
    rates = Rates(tally, 1, clock, told.append)
    tally.down = Unavailable("the disk is full")
    assert all(rates.take("shop").within for _ in range(3))
    assert told == [tally.down] * 3
    tally.down = None
    assert [rates.take("shop").within for _ in range(2)] == [True, False]
