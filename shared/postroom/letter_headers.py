"""The headers that letters were given, for what is told of them: read once for all that is told of a letter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from postroom.delivery.record import SubmissionId
from postroom.message.letter import Letter
from postroom.ports import Found

Headers = tuple[tuple[str, str], ...]

MOST = 200
"""Letters remembered: those that are too large to lie in their records are mostly attachments, far away."""


@dataclass(frozen=True, slots=True)
class LetterHeaders:
    """Raises `Unavailable`. A letter that is gone has no headers."""

    letter: Callable[[SubmissionId], bytes | None]
    _known: dict[SubmissionId, Headers] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, found: Found) -> Headers:
        id_ = found.submission.id
        if found.letter is not None:
            return Letter.unpack(found.letter).headers
        known = self._known.get(id_)
        if known is None:
            packed = self.letter(id_)
            known = () if packed is None else Letter.unpack(packed).headers
            with self._lock:
                while len(self._known) >= MOST:
                    del self._known[next(iter(self._known))]
                self._known[id_] = known
        return known
