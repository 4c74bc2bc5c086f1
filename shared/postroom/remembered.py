"""A Directory seen through a short memory, so that keys and domains cost no read per letter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from postroom.ports import Directory

MOST = 10_000  # documents remembered; guessed keys must not fill the memory


class Remembered:
    """A `Directory` whose answers to `get` may be up to `seconds` old. What it writes itself it sees at once."""

    def __init__(self, directory: Directory, seconds: float, monotonic: Callable[[], float]) -> None:
        self._directory = directory
        self._seconds = seconds
        self._monotonic = monotonic
        self._known: dict[tuple[str, str], tuple[float, Mapping[str, Any] | None]] = {}
        # What isn't there is remembered apart: keys that somebody makes up don't drive out those that are in use.
        self._absent: dict[tuple[str, str], tuple[float, Mapping[str, Any] | None]] = {}
        self._lock = Lock()

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        now = self._monotonic()
        known = self._recalled(kind, key)
        if known is not None and now < known[0]:
            return known[1]
        return self.look(kind, key)

    def look(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """The document as it is at this moment, which is what is remembered from then on."""
        now = self._monotonic()
        document = self._directory.get(kind, key)
        self._remember(kind, key, now, document)
        return document

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        stored = self._directory.create(kind, key, document)
        self._remember(kind, key, self._monotonic(), stored)
        return stored

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._directory.put(kind, key, document)
        self._remember(kind, key, self._monotonic(), document)

    def get_many(self, kind: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        now = self._monotonic()
        known = {key: self._recalled(kind, key) for key in keys}
        asked = [key for key, each in known.items() if each is None or now >= each[0]]
        found = dict(self._directory.get_many(kind, asked)) if asked else {}
        for key in asked:
            self._remember(kind, key, now, found.get(key))
        fresh = {key: each[1] for key, each in known.items() if each is not None and key not in asked}
        return found | {key: document for key, document in fresh.items() if document is not None}

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        done = self._directory.replace(kind, key, document, over)
        if done:
            self._remember(kind, key, self._monotonic(), document)
        else:
            with self._lock:
                self._known.pop((kind, key), None)  # what was remembered isn't so any more
                self._absent.pop((kind, key), None)
        return done

    def delete(self, kind: str, key: str) -> bool:
        was_there = self._directory.delete(kind, key)
        self._remember(kind, key, self._monotonic(), None)
        return was_there

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return self._directory.list(kind, after, limit)

    @property
    def afresh(self) -> Directory:
        """The same directory for those who must read what is so now. What they read and write is remembered."""
        return _Afresh(self, self._directory)

    def _remember(self, kind: str, key: str, now: float, document: Mapping[str, Any] | None) -> None:
        known, other = (self._known, self._absent) if document is not None else (self._absent, self._known)
        with self._lock:
            if len(known) >= MOST:
                known.clear()
            known[kind, key] = (now + self._seconds, document)
            other.pop((kind, key), None)

    def _recalled(self, kind: str, key: str) -> tuple[float, Mapping[str, Any] | None] | None:
        """What is remembered, and until when."""
        return self._known.get((kind, key)) or self._absent.get((kind, key))


class _Afresh:
    def __init__(self, memory: Remembered, source: Directory) -> None:
        self.get = memory.look
        self.create, self.put, self.replace, self.delete = memory.create, memory.put, memory.replace, memory.delete
        self.get_many, self.list = source.get_many, source.list
