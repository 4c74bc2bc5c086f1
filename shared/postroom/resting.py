"""Which webhooks rest for a while, since they gave no answer several times in a row: a memory of one process.

Whoever waits for an endpoint that is dead keeps the others waiting, so its news is put off in the meantime. That counts
as no attempt, and once the rest is over the next ones find out whether it is alive again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

IN_A_ROW = 3
"""Failures after which a webhook rests."""

FIRST = timedelta(seconds=10)
LONGEST = timedelta(minutes=5)

_MOST = 10_000  # webhooks remembered


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    until: datetime | None = None


@dataclass(slots=True)
class Rests:
    """Safe for threads."""

    _known: dict[str, _Trouble] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def until(self, webhook: str, now: datetime) -> datetime | None:
        """Until when the webhook rests, if it does."""
        trouble = self._known.get(webhook)
        if trouble is None or trouble.until is None or trouble.until <= now:
            return None
        return trouble.until

    def failed(self, webhook: str, now: datetime, asked: timedelta | None = None) -> None:
        """It gave no answer, or has `asked` to be left in peace for so long."""
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            trouble = self._known.setdefault(webhook, _Trouble())
            trouble.failures += 1
            rest = min(FIRST * 2 ** max(0, min(trouble.failures - IN_A_ROW, 10)), LONGEST)
            if asked is not None:
                rest = min(asked, LONGEST)
            elif trouble.failures < IN_A_ROW:
                return
            trouble.until = max(now + rest, trouble.until or now)

    def well(self, webhook: str) -> None:
        """It has answered."""
        with self._lock:
            self._known.pop(webhook, None)
