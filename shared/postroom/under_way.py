"""What this process is at: two notices of one parcel that come together needn't both tell its news.

Other processes don't know, and what they do as well is told twice. Whoever is at it sees to the end of it: it is taken
off, or has its next attempt, or dies with a notice that comes again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Safe for threads."""

    _names: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Whether nobody else is at what has that name; if so, nobody else is until the end of it."""
        with self._lock:
            first = name not in self._names
            if first:
                self._names.add(name)
        try:
            yield first
        finally:
            if first:
                with self._lock:
                    self._names.discard(name)
