"""Whoever changes a letter may die before or after any call to the outside world, between two parcels too.

A change that got no answer has promised nothing: its repeat finishes the work, and where nobody repeats it each parcel
is still sent once, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.change import Change, TooLate
from postroom.claims import Claims
from postroom.delivery.submission import Submission
from tests.usecases.fate import Fate, Killed, Watched
from tests.usecases.office import NOON, UseCases, lost, taken

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class World:
    """A letter to two domains, one change of it, and whoever makes the change dies once."""

    office: UseCases
    fate: Fate
    carried: list[tuple[str, datetime]]

    @classmethod
    def at(cls, folder: Path, strikes_at: int, *, after: bool) -> World:
        return cls(UseCases(folder), Fate(strikes_at, after), [])

    @property
    def change(self) -> Change:
        store: Any = Watched("submissions", self.office.submissions, self.fate)
        queue: Any = Watched("schedule", self.office.schedule, self.fate)
        directory: Any = Watched("directory", self.office.directory, self.fate)
        claims = Claims(submissions=store)
        return replace(self.office.change, claims=claims, schedule=queue, directory=directory)

    def goes_on(self, hours: int) -> None:
        """Every half hour the sweep passes by, and what is due runs."""
        for _ in range(hours * 2):
            self.office.sweep()
            before = len(self.office.wire.carried)
            for each in [each for each in self.office.schedule.put_ if each[1] <= self.office.now]:
                self.office.schedule.put_.remove(each)
                self.office.deliver(each[0])
            self.carried += [(mail.recipients[0], self.office.now) for mail in self.office.wire.carried[before:]]
            self.office.now += 30 * MINUTE


Asked = Callable[[Change, Submission], object]


def told(folder: Path, strikes_at: int, *, after: bool, repeats: bool, asked: Asked, **options: Any) -> World:
    """A world in which the change was asked for, and 14 hours have passed since."""
    world = World.at(folder, strikes_at, after=after)
    try:
        office = world.office
        letter = office.submit("bob@example.net", "dora@example.com", **options)
        if "on_unknown" in options:
            office.wire.judge = lost
            world.goes_on(1)
            office.wire.judge = taken
            world.carried.clear()
        for _ in range(2 if repeats else 1):
            with suppress(Killed):
                asked(world.change, office.stored(letter))
                break
        world.goes_on(14)
        assert not any(parcel.open for parcel in office.stored(letter).parcels)
    finally:
        world.office.close()
    return world


def each_death(folder: Path, *, repeats: bool, **story: Any) -> list[tuple[str, World]]:
    """The world after each death that can be died, named by it."""
    calls = told(folder / "calm", -1, after=False, repeats=repeats, **story).fate.calls
    return [
        (
            f"killed {'after' if after else 'before'} call {number}, {name}",
            told(folder / f"{number} {after}", number, after=after, repeats=repeats, **story),
        )
        for number, name in enumerate(calls)
        for after in (False, True)
    ]


def everybody(world: World) -> list[str]:
    return sorted(address for address, _ in world.carried)


BOTH = ["bob@example.net", "dora@example.com"]


@pytest.mark.parametrize(("hours", "repeats"), [(1, True), (1, False), (12, True)])
def test_whoever_dies_rescheduling_a_letter_it_goes_once(tmp_path: Path, hours: int, repeats: bool) -> None:
    def asked(change: Change, letter: Submission) -> None:
        change.reschedule(letter, NOON + hours * HOUR)

    worlds = each_death(tmp_path, repeats=repeats, asked=asked, scheduled_at=NOON + 6 * HOUR)
    assert len(worlds) > 8
    for case, world in worlds:
        assert everybody(world) == BOTH, case
        assert {(at - NOON) // HOUR for _, at in world.carried} <= ({hours} if repeats else {hours, 6}), case


@pytest.mark.parametrize("repeats", [True, False])
def test_whoever_dies_taking_a_letter_back_what_was_taken_back_is_not_sent(tmp_path: Path, repeats: bool) -> None:
    def asked(change: Change, letter: Submission) -> None:
        change.cancel(letter)

    worlds = each_death(tmp_path, repeats=repeats, asked=asked, scheduled_at=NOON + HOUR)
    assert len(worlds) > 8
    for case, world in worlds:
        assert len(everybody(world)) == len(set(everybody(world))), case
        if repeats:
            assert world.carried == [], case


@pytest.mark.parametrize("repeats", [True, False])
def test_whoever_dies_sending_a_letter_once_more_it_goes_once_more_at_most(tmp_path: Path, repeats: bool) -> None:
    def asked(change: Change, letter: Submission) -> None:
        with suppress(TooLate):  # the repeat of what was done already
            change.retry(letter)

    worlds = each_death(tmp_path, repeats=repeats, asked=asked, on_unknown="hold")
    assert len(worlds) > 8
    for case, world in worlds:
        assert len(everybody(world)) == len(set(everybody(world))), case
        if repeats:
            assert everybody(world) == BOTH, case
