"""What this process knows of names in DNS: it asks no question twice while an answer holds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from postroom.internet.answer import Answer, Silence

MOST_OCTETS = 4_000_000
"""Of the answers remembered, as they were on the wire, and their names: those of ten thousand domains and more.

A stranger with many names must not fill the memory.
"""

Key = tuple[str, str]


class Names:
    """Answers by name and kind, shared by all threads: of those that ask the same at a time, one does, for all.

    Failures are remembered as well, so that a name server in trouble isn't asked once a letter.
    """

    def __init__(
        self, ask: Callable[[str, str], Answer | Silence], clock: Callable[[], float], most: int = MOST_OCTETS
    ) -> None:
        self._ask = ask
        self._clock = clock  # monotonic
        self._most = most
        self._lock = Lock()
        self._known: dict[Key, tuple[float, Answer | Silence]] = {}  # and until when, the oldest first
        self._octets = 0
        self._asked: dict[Key, Future[Answer | Silence]] = {}

    def __call__(self, name: str, kind: str) -> Answer | Silence:
        key = (name.lower().removesuffix("."), kind)
        with self._lock:
            if (known := self._known.get(key)) is not None and self._clock() < known[0]:
                return known[1]
            underway = self._asked.get(key)
            if underway is None:
                ours = self._asked[key] = Future()
        if underway is not None:
            return underway.result()
        try:
            answer = self._ask(*key)
        except BaseException as error:
            with self._lock:
                del self._asked[key]
            ours.set_exception(error)
            raise
        with self._lock:
            self._remember(key, answer)
            del self._asked[key]
        ours.set_result(answer)
        return answer

    def __len__(self) -> int:
        return len(self._known)

    def _remember(self, key: Key, answer: Answer | Silence) -> None:
        self._forget(key)
        self._known[key] = (self._clock() + answer.seconds, answer)
        self._octets += _weight(key, answer)
        while self._octets > self._most:
            self._forget(next(iter(self._known)))

    def _forget(self, key: Key) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._octets -= _weight(key, known[1])


def _weight(key: Key, answer: Answer | Silence) -> int:
    return len(key[0]) + answer.octets
