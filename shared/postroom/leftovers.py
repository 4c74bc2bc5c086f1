"""Documents that were written for a while, and that whoever wrote them never came back to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom.delivery.health import Health
from postroom.delivery.record import Record
from postroom.delivery.sts import Kept
from postroom.enclosures import KIND as FETCH
from postroom.idempotency import SUPERSEDED
from postroom.ports import Directory

EVERY = timedelta(days=1)
"""How often all of them are looked through."""

FORGIVEN = timedelta(days=7)
"""After which nothing is held against a destination that nobody has written to since."""

_PAGE = 100  # documents in one read
_MOST = 1_000  # read in one run


def _until_is_past(document: Mapping[str, Any], now: datetime) -> bool:
    return datetime.fromisoformat(document["until"]) <= now


def _is_forgiven(document: Mapping[str, Any], now: datetime) -> bool:
    health = Health.from_record(document)
    news = [at for at in (health.since, health.resting_until, health.slow_until) if at is not None]
    return not news or max(news) + FORGIVEN <= now


def _has_ended(document: Mapping[str, Any], now: datetime) -> bool:
    return Kept.from_record(document).ends_at <= now


KINDS: Mapping[str, Callable[[Mapping[str, Any], datetime], bool]] = {
    FETCH: _until_is_past,
    "health": _is_forgiven,
    "slot": _until_is_past,
    "sts": _has_ended,
    SUPERSEDED: _until_is_past,
}
"""By the documents' kind, whether one is over."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the looking through has come: behind that key of that kind, or, without a kind, to the end."""

    at: datetime  # when it began
    kind: str | None
    key: str = ""

    def record(self) -> Record:
        return {"at": self.at.isoformat(), "kind": self.kind, "key": self.key}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Place:
        return cls(datetime.fromisoformat(record["at"]), record["kind"], record["key"])


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Removes what is over, a part of it each time."""

    directory: Directory

    def __call__(self, place: Place | None, now: datetime) -> Place:
        """Go on from there, and tell how far it went. Raises `Unavailable`."""
        if place is None or (place.kind is None and now >= place.at + EVERY):
            place = Place(now, next(iter(KINDS)))
        read = 0
        while place.kind is not None and read < _MOST:
            page = self.directory.list(place.kind, place.key, _PAGE)
            for key, document in page:
                if KINDS[place.kind](document, now):
                    self.directory.delete(place.kind, key)
            read += len(page)
            place = Place(place.at, place.kind, page[-1][0]) if len(page) == _PAGE else _next(place)
        return place


def _next(place: Place) -> Place:
    kinds = list(KINDS)
    behind = kinds[kinds.index(place.kind) + 1 :] if place.kind in kinds else []
    return Place(place.at, behind[0] if behind else None)
