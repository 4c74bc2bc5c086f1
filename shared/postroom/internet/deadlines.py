"""One sweep over everything that waits on a loop, in place of a timer for each command."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol

SWEEP = 1.0
"""Seconds between two sweeps at most: what is late by a fraction of this is still in time for SMTP."""


class Waiter(Protocol):
    deadline: float  # monotonic; `late` may set a later one

    def late(self) -> None: ...


class Deadlines:
    """Calls `late` on what waits past its deadline. Belongs to the loop that is running when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiters: set[Waiter] = set()
        self._next = float("inf")  # when the next sweep is due
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, waiter: Waiter) -> None:
        """From now on; again where its deadline has come closer."""
        self._waiters.add(waiter)
        if waiter.deadline < self._next:
            self._sweep_at(min(waiter.deadline, monotonic() + SWEEP))

    def forget(self, waiter: Waiter) -> None:
        self._waiters.discard(waiter)

    def _sweep_at(self, when: float) -> None:
        if self._timer is not None:
            if when >= self._next:
                return
            self._timer.cancel()
        self._next = when
        self._timer = self._loop.call_later(max(0.0, when - monotonic()), self._sweep)

    def _sweep(self) -> None:
        self._timer, self._next = None, float("inf")
        now = monotonic()
        for waiter in list(self._waiters):
            if waiter.deadline <= now and waiter in self._waiters:
                waiter.late()
        if self._waiters:
            soonest = min(waiter.deadline for waiter in self._waiters)
            self._sweep_at(min(max(soonest, now + 0.001), now + SWEEP))
