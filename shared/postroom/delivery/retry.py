"""When a deferred recipient is tried again, and when postroom gives up (RFC 5321 §4.5.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

DEFAULT_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    delays: tuple[timedelta, ...] = DEFAULT_DELAYS  # between attempts; the last one repeats
    give_up_after: timedelta = timedelta(days=3)  # counted from the first time that the letter could be sent

    def next_attempt(
        self, *, attempts: int, due: datetime, now: datetime, expires_at: datetime | None = None
    ) -> datetime | None:
        """When to try again after `attempts` attempts (1 or more), or None once the letter is too old.

        `due` is when the letter was first to be sent: its age is counted from there. An attempt that would
        start after `expires_at`, or after the letter is given up, is not made.
        """
        at = now + self.delays[min(attempts, len(self.delays)) - 1]
        return at if at <= self._end(due, expires_at) else None

    def too_late(self, *, due: datetime, now: datetime, expires_at: datetime | None) -> bool:
        """Whether no attempt may start any more."""
        return now > self._end(due, expires_at)

    def _end(self, due: datetime, expires_at: datetime | None) -> datetime:
        end = due + self.give_up_after
        return end if expires_at is None else min(end, expires_at)
