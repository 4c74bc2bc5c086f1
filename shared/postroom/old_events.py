"""Retention of what webhooks were told: the part of each sweep that removes old events, and the logs of those deleted.

Ids of events begin with their time, so what is too old is found by one read, however long a log is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.event_log import EventLog
from postroom.ports import Directory
from postroom.webhooks import FAILING, GONE, Listeners

LAST_WORDS = timedelta(days=1)
"""For how long after a webhook's deletion somebody may still record what it was told."""

_PAGE = 100  # events removed at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class OldEvents:
    """Removes what is older than `keep`. Raises `Unavailable`; the next run goes on."""

    directory: Directory
    log: EventLog
    clock: Callable[[], datetime]
    keep: timedelta

    def __call__(self, time_left: Callable[[], bool]) -> int:
        """How many were removed."""
        now, gone = self.clock(), 0
        for webhook in Listeners(memory=self.directory).ids():
            gone += self._purge(webhook, now - self.keep, time_left)
        return gone + self._bury(now, time_left)

    def _bury(self, now: datetime, time_left: Callable[[], bool]) -> int:
        """Remove the logs of webhooks that are no more. How many events went."""
        gone, noted = 0, self.directory.list(GONE)
        # Read after the notes: who has one and isn't among these any more never comes back.
        living = set(Listeners(memory=self.directory).ids()) if noted else set()
        for webhook, note in noted:
            lives = webhook in living  # its removal is still under way, or failed after the note was left
            if not lives:
                gone += self._purge(webhook, None, time_left)
            if time_left() and datetime.fromisoformat(note["at"]) + LAST_WORDS <= now:
                if not lives:
                    self.directory.delete(FAILING, webhook)
                self.directory.delete(GONE, webhook)
        return gone

    def _purge(self, webhook: str, before: datetime | None, time_left: Callable[[], bool]) -> int:
        gone = 0
        while time_left():
            count = self.log.purge(webhook, before, _PAGE)
            gone += count
            if count < _PAGE:
                break
        return gone
