"""Whether a task may go to its destination now, by what all workers remember of it.

What they remember is one document of a destination, and there is none while all is well: a healthy one costs a worker
one read in ten seconds and no write. The documents are advice. Two who write at once may lose each other's news, and
the next session tells it again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from threading import Lock
from types import TracebackType
from typing import Any

from postroom.delivery.health import PLACES, WELL, Health, Pace, Sign, luck_of, patience, sign_of
from postroom.delivery.task import DeliveryTask
from postroom.ports import Directory, Unavailable
from postroom.remembered import Remembered
from postroom.smtp.verdict import Verdict

TRIAL = timedelta(minutes=2)
"""How long the one that tries a destination after its rest keeps others from trying too."""


@dataclass(frozen=True, slots=True)
class NotNow:
    """The destination rests, or those who may be there are."""

    health: Health
    pace: Pace

    def again(self, name: str, due: datetime, now: datetime) -> datetime:
        """When the letter of that name comes again, which was due at `due`."""
        luck = luck_of(name)
        wakes = self.health.wakes(luck, self.pace) if self.health.is_resting(now) else None
        return wakes or now + patience(now - due, luck, self.pace)


@dataclass(frozen=True, slots=True)
class _Place:
    """One of those that a destination has."""

    key: str
    until: datetime


@dataclass(slots=True, eq=False)
class Visit:
    """One task's stay at its destination: what it sees there is told to the others. To be entered and left."""

    admission: Admission
    destination: str
    place: _Place | None
    began: datetime
    heard_at: float  # monotonic: when it began, and then the last verdict
    _told: Sign = Sign.NOTHING

    def is_of(self, task: DeliveryTask) -> bool:
        """Whether it is at the task's own destination, and not at that of a fallback."""
        return self.destination == _name(task)

    def saw(self, verdicts: Sequence[Verdict]) -> None:
        """Called as each letter's verdict falls. Raises nothing: news is not worth a letter."""
        now = self.admission.monotonic()
        silent, self.heard_at = now - self.heard_at, now
        with suppress(Unavailable):
            if silent > self.admission.slow_after:
                self.admission.slowed(self.destination)
            sign = sign_of(verdicts)
            if sign in (Sign.NOTHING, self._told) or self._told is Sign.ANSWERED:
                return
            self._told = sign
            if sign is Sign.ANSWERED:
                self.admission.answered(self.destination)
            else:
                cause = next((each.cause for each in verdicts if each.cause), None)
                self.admission.failed(self.destination, cause, self.began)

    def __enter__(self) -> Visit:
        self.admission.came(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(Unavailable):
            self.admission.left(self)


@dataclass(slots=True, kw_only=True)
class Admission:
    """Admits tasks to destinations: none while one rests, one at its end, a few to a slow one, all to the others.

    Raises `Unavailable` where the directory can't be read.
    """

    directory: Directory
    pace: Pace
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    slow_after: float  # seconds without a verdict that make a destination slow
    longest: timedelta  # that a visit may take
    holder: str  # names this process in the places that it takes
    _seen: Remembered = field(init=False)
    _under_way: defaultdict[str, set[Visit]] = field(init=False, default_factory=lambda: defaultdict(set))
    _lock: Lock = field(init=False, default_factory=Lock)
    _numbers: count[int] = field(init=False, default_factory=count)

    def __post_init__(self) -> None:
        self._seen = Remembered(self.directory, self.pace.memory.total_seconds(), self.monotonic)

    def __call__(self, task: DeliveryTask) -> Visit | NotNow:
        destination, now = _name(task), self.clock()
        if self._is_silent(destination):
            with suppress(Unavailable):
                self.slowed(destination)
        health = _health(self._seen.get("health", destination))
        if health.is_resting(now):
            return NotNow(health, self.pace)
        place = None
        if health.on_trial or health.is_slow(now):
            place = self._place(destination, health, now)
            if place is None:
                return NotNow(health, self.pace)
            latest = _health(self._seen.look("health", destination))
            if latest.is_resting(now):  # the place was free because whoever had it found nobody there
                self._leave(place)
                return NotNow(latest, self.pace)
        return Visit(self, destination, place, now, self.monotonic())

    def _is_silent(self, destination: str) -> bool:
        """Whether somebody of this process has waited for a verdict there for too long."""
        with self._lock:
            heard_at = min((each.heard_at for each in self._under_way.get(destination, ())), default=None)
        return heard_at is not None and self.monotonic() - heard_at > self.slow_after

    # What visits tell.

    def came(self, visit: Visit) -> None:
        with self._lock:
            self._under_way[visit.destination].add(visit)

    def left(self, visit: Visit) -> None:
        with self._lock:
            there = self._under_way[visit.destination]
            there.discard(visit)
            if not there:
                del self._under_way[visit.destination]
        if visit.place is not None:
            self._leave(visit.place)

    def answered(self, destination: str) -> None:
        """Forget what was held against it, where this process knows of anything."""
        if self._seen.get("health", destination) is not None:
            self._change(destination, lambda health: health.answered(self.clock()))

    def failed(self, destination: str, cause: str | None, began: datetime) -> None:
        self._change(destination, lambda health: health.failed(cause, began, self.clock(), self.pace))

    def slowed(self, destination: str) -> None:
        now = self.clock()
        known = _health(self._seen.get("health", destination))
        if known.slowed(now, self.pace) != known:
            self._change(destination, lambda health: health.slowed(now, self.pace))

    def _change(self, destination: str, changed: Callable[[Health], Health]) -> None:
        before = _health(self._seen.look("health", destination))
        after = changed(before)
        if after == before:
            return
        if after == WELL:
            self._seen.delete("health", destination)
        else:
            self._seen.put("health", destination, after.record())

    # Places.

    def _place(self, destination: str, health: Health, now: datetime) -> _Place | None:
        """A place of our own, or None where all are taken.

        A place whose holder died is free when its time is over. Two may take it over at the same moment: then there
        is one session more than there should be.
        """
        if health.on_trial:
            names, until = [f"{destination}/trial"], now + TRIAL
        else:
            names, until = [f"{destination}/{number}" for number in range(PLACES)], now + self.longest
        taken = dict(self.directory.list("slot", f"{destination}/", PLACES + 1))
        mine = {"holder": f"{self.holder}/{next(self._numbers)}", "until": until.isoformat()}
        for name in names:
            if name in taken:
                if now < datetime.fromisoformat(taken[name]["until"]):
                    continue
                self.directory.delete("slot", name)
            if self.directory.create("slot", name, mine) == mine:
                return _Place(name, until)
        return None

    def _leave(self, place: _Place) -> None:
        if self.clock() < place.until:  # else it is somebody else's by now
            self.directory.delete("slot", place.key)


def _health(document: Mapping[str, Any] | None) -> Health:
    return WELL if document is None else Health.from_record(document)


def _name(task: DeliveryTask) -> str:
    return f"{task.route}/{task.destination}"
