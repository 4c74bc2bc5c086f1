"""What this process is at: of two notices of one parcel that come together one tells its news, and the other waits.

So no piece is told twice, and none before the one that comes first. Other processes don't know, and what they do as
well is told twice. Whoever is at it sees to the end of it: it is recorded, or has its next attempt, or dies with a
notice that comes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Safe for threads."""

    patience: float  # seconds that one waits for another at most
    _over: dict[str, Event] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """True where nobody else is at what has that name, nor will be until the end; else False, once he has done."""
        with self._lock:
            others = self._over.get(name)
            if others is None:
                ours = self._over[name] = Event()
        if others is not None:
            others.wait(self.patience)
            yield False
            return
        try:
            yield True
        finally:
            with self._lock:
                del self._over[name]
            ours.set()
