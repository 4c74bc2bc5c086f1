"""How many requests a second each key may make, over all processes of a deployment.

A process takes from the second's count what it serves: one request at a time at first, then in portions that grow with
what it has served, so that a busy one asks seldom and an idle one holds little back. What it holds when the second ends
is lost, a fifth of its share at most; the limit itself is never passed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from postroom.ports import Counters, Unavailable


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key may still do this second, and whether this request was within it."""

    within: bool
    limit: int
    remaining: int


@dataclass(slots=True)
class _Second:
    number: int
    left: int  # that nobody had taken when we last asked
    held: int = 0  # taken and not served yet
    served: int = 0
    asking: int = 0  # threads that wait for an answer


class Rates:
    """The limit of every key. Where the count can't be reached, everybody is let through: mail goes first."""

    def __init__(
        self,
        counters: Counters,
        limit: int,
        clock: Callable[[], datetime],
        troubled: Callable[[Unavailable], None] = lambda _: None,
    ) -> None:
        self._counters = counters
        self._limit = limit
        self._clock = clock
        self._troubled = troubled
        self._seconds: dict[str, _Second] = {}  # by key: no more than there are keys
        self._lock = Lock()

    def take(self, key: str) -> Standing:
        """Count a request of the key."""
        at = self._clock().timestamp()
        with self._lock:
            second = self._seconds.get(key)
            if second is None or second.number != int(at):
                second = self._seconds[key] = _Second(int(at), self._limit)
            within, portion = second.held > 0, 0
            if within:
                second.held -= 1
            elif second.left:
                # One thread takes for what is to come, all others for themselves.
                portion = 1 if second.asking else min(1 + second.served // 4, self._limit)
                second.asking += 1
        if portion:
            within = self._ask(key, second, portion)
        with self._lock:
            second.served += within
            return Standing(within, self._limit, second.left + second.held)

    def _ask(self, key: str, second: _Second, portion: int) -> bool:
        """Take a portion from the count, and this request from the portion: whether there was as much."""
        counted = None
        try:
            counted = self._counters.add(key, second.number, portion)
        except Unavailable as error:
            self._troubled(error)
        with self._lock:
            second.asking -= 1
            if counted is None:
                return True
            granted = max(0, min(portion, self._limit - (counted - portion)))
            second.left = max(0, self._limit - counted)
            second.held += max(0, granted - 1)
        return granted > 0
