"""The contract of `Counters`."""

from __future__ import annotations

import pytest

from postroom.ports import CLOCKS_DIFFER, Counters
from tests.contracts.homes import Home
from tests.contracts.threads import at_once


@pytest.fixture
def counters(home: Home) -> Counters:
    return home.counters


def test_each_name_is_counted_by_itself(counters: Counters) -> None:
    assert counters.add("shop/é", 100, 1) == 1
    assert counters.add("shop/é", 100, 3) == 4
    assert counters.add("office", 100, 2) == 2
    assert counters.add("shop/é", 100, 1) == 5


def test_a_new_stretch_begins_anew(counters: Counters) -> None:
    assert counters.add("shop", 100, 3) == 3
    assert counters.add("shop", 101, 1) == 1
    assert counters.add("shop", 200, 2) == 2


def test_whose_clock_is_behind_counts_with_the_others(counters: Counters) -> None:
    assert counters.add("shop", 100, 3) == 3
    assert counters.add("shop", 99, 1) == 4
    assert counters.add("shop", 100 - CLOCKS_DIFFER, 1) == 5
    assert counters.add("shop", 100, 1) == 6


def test_a_clock_that_is_far_ahead_stops_nobody(counters: Counters) -> None:
    assert counters.add("shop", 100 + CLOCKS_DIFFER + 1, 50) == 50
    assert counters.add("shop", 100, 1) == 1
    assert counters.add("shop", 100, 1) == 2


def test_nothing_that_is_counted_at_once_is_lost(counters: Counters) -> None:
    counters.add("shop", 99, 5)
    # Each of them finds that a stretch is over, and one begins the next.
    assert sorted(at_once(8, lambda _: counters.add("shop", 100, 2))) == list(range(2, 17, 2))
