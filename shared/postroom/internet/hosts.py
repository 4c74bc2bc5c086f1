"""What this process remembers of the hosts that it spoke with."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from postroom.delivery.routing import Host
from postroom.smtp.habits import NOTHING_KNOWN, REMEMBERED, Habits

MOST = 10_000  # hosts remembered; a stranger with many names must not fill the memory


BROKEN_TLS = 3600.0
"""Seconds. Then the host is asked for STARTTLS again by letters that would do without it, too."""


class Hosts:
    """Habits by host, each for a day."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, Habits]] = {}
        self._without_tls: dict[tuple[str, int], float] = {}  # until when

    def habits(self, host: Host) -> Habits:
        until, habits = self._known.get((host.name, host.port), (0.0, NOTHING_KNOWN))
        return habits if self._clock() < until else NOTHING_KNOWN

    def has_broken_tls(self, host: Host) -> bool:
        """Whether STARTTLS broke there within the hour, and the session went on in clear text."""
        return self._clock() < self._without_tls.get((host.name, host.port), 0.0)

    def tls_broke(self, host: Host) -> None:
        if len(self._without_tls) >= MOST:
            self._without_tls.clear()
        self._without_tls[host.name, host.port] = self._clock() + BROKEN_TLS

    def learn(self, host: Host, habits: Habits) -> None:
        """Add what a session made of them. A day counts from the last news."""
        known = self.habits(host)
        habits = known.with_news(habits)
        if habits == known:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[host.name, host.port] = (self._clock() + REMEMBERED, habits)
