"""A world whose workers may die at any call: what its ports are, and who survives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from postroom.sweep import Sweep
from tests.usecases.fate import Fate, Killed, Watched
from tests.usecases.office import UseCases


class Mortal:
    """Goes on whoever dies in it."""

    def __init__(self, office: UseCases, fate: Fate) -> None:
        self.office = office
        self.fate = fate
        self.deaths = 0
        self._names = count()

    def _survived(self, work: Callable[[], Any]) -> Any:
        """What the work returned, or None where whoever did it died."""
        living = len(self.office.holders)
        try:
            return work()
        except Killed:
            self.deaths += 1
            while len(self.office.holders) > living:
                self.office.kill_the_last()
            return None

    def _sweep(self) -> Sweep:
        return replace(self.office.sweep, submissions=self._store, schedule=self._queue, directory=self._directory)

    @property
    def _store(self) -> Any:
        return Watched("submissions", self.office.submissions, self.fate)

    @property
    def _queue(self) -> Any:
        return Watched("schedule", self.office.schedule, self.fate)

    @property
    def _directory(self) -> Any:
        return Watched("directory", self.office.directory, self.fate)
