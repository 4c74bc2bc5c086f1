"""What this process remembers of the hosts that it spoke with."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from postroom.delivery.routing import Host
from postroom.smtp.habits import NOTHING_KNOWN, REMEMBERED, Habits

MOST = 10_000  # hosts remembered; a stranger with many names must not fill the memory


class Hosts:
    """Habits by host, each for a day."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, Habits]] = {}

    def habits(self, host: Host) -> Habits:
        until, habits = self._known.get((host.name, host.port), (0.0, NOTHING_KNOWN))
        return habits if self._clock() < until else NOTHING_KNOWN

    def learn(self, host: Host, habits: Habits) -> None:
        """Add what a session made of them. A day counts from the last news."""
        known = self.habits(host)
        habits = known.with_news(habits)
        if habits == known:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[host.name, host.port] = (self._clock() + REMEMBERED, habits)
