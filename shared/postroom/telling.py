"""Has webhooks told: puts notices for what parcels have noted.

The news stands in the parcel before its notice is put, so whoever comes to the parcel again, after a crash or by the
sweep, puts it once more. Where nobody listens there is no news, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import local

from postroom.delivery.news import news_since
from postroom.delivery.notice import MOST, notices
from postroom.delivery.parcel import Parcel
from postroom.ports import Schedule

WAIT = 1.0
"""Seconds that news of a task may wait for news of its next letter, so that both share a notice."""


class _Kept(local):
    """What this thread's task has written so far, and since when it is kept."""

    parcels: list[Parcel] | None = None
    since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Puts notices into the queue. Raises `Unavailable`."""

    schedule: Schedule
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    _kept: _Kept = field(default_factory=_Kept)

    def __call__(self, parcels: Iterable[Parcel]) -> None:
        """Have the news of these told, at once or, within `together`, by its end at the latest."""
        fresh = [each for each in parcels if news_since(each) is not None]
        if not fresh:
            return
        kept = self._kept.parcels
        if kept is None:
            self._put(fresh)
            return
        if not kept:
            self._kept.since = self.monotonic()
        kept += fresh
        if len(kept) >= MOST or self.monotonic() - self._kept.since >= WAIT:
            self._flush(kept)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread tells in here shares notices: a session of twenty letters makes one call of the queue."""
        kept: list[Parcel] = []
        self._kept.parcels = kept
        try:
            yield
        finally:
            self._kept.parcels = None
            self._flush(kept)

    def _flush(self, kept: list[Parcel]) -> None:
        parcels, kept[:] = list(kept), []
        self._put(parcels)

    def _put(self, parcels: Iterable[Parcel]) -> None:
        if told := notices(parcels):
            now = self.clock()
            self.schedule.put_many([(each, now) for each in told])
