"""How a destination fares: when it rests, how many may go there at once, and what of a session tells that.

Postmasters call the first the dead destination and the second the tarpit. Neither may keep the mail of others waiting,
and neither is worth a session for each letter that comes for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from postroom.delivery.record import Record, plain, times
from postroom.smtp.verdict import Fate, Verdict

FAILURES = 3
"""Sessions in a row that come to nothing before a destination rests."""

RESTS = (1, 2, 5, 10, 15)
"""How long the rests in a row are, in units; the last repeats. A trial costs one session, and fresh letters wait."""

PLACES = 8
"""Sessions at once that a slow destination has."""

SLOW_FOR = 10
"""Units for which a destination counts as slow after a session that was."""

_SESSION_CAUSES = frozenset(
    # Not `tls`: it depends on what a letter asks for, and the others may be well without.
    {"dns", "unreachable", "connection_refused", "connection_timeout", "connection_lost", "turned_away", "proxy"}
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a minute is: operators who retry within seconds want rests of seconds."""

    unit: timedelta = timedelta(minutes=1)  # the retry schedule's first delay
    memory: timedelta = timedelta(seconds=10)  # how old a worker's view of a destination may be

    @classmethod
    def of(cls, first_delay: timedelta) -> Pace:
        return cls(first_delay, min(cls().memory, first_delay))


class Sign(StrEnum):
    """What the verdicts on one letter tell of its destination."""

    ANSWERED = "answered"  # the server, or DNS for it, judged somebody
    FAILED = "failed"  # there was no session to speak of
    NOTHING = "nothing"


def sign_of(verdicts: Iterable[Verdict]) -> Sign:
    """A verdict on an address, whatever it says, is a sign of life; a 421 never is one (RFC 5321 §3.8)."""
    sign = Sign.NOTHING
    for verdict in verdicts:
        match verdict.fate:
            case Fate.ACCEPTED | Fate.REFUSED:
                return Sign.ANSWERED
            case Fate.DEFERRED if verdict.cause in _SESSION_CAUSES or (verdict.reply and verdict.reply.code == 421):
                sign = Sign.FAILED
            case Fate.DEFERRED if verdict.reply is not None:
                return Sign.ANSWERED
    return sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is remembered of one destination. As it is made, nothing is wrong, and nothing need be kept."""

    failures: int = 0  # sessions in a row that came to nothing, before the first rest
    since: datetime | None = None  # when the first of them did
    cause: str | None = None  # of the last of them
    rests: int = 0  # in a row
    resting_until: datetime | None = None
    slow_until: datetime | None = None

    def failed(self, cause: str | None, began: datetime, now: datetime, pace: Pace) -> Health:
        """After another session that came to nothing, which began at `began`."""
        if self.resting_until is not None:
            # What was under way when the rest began is no news.
            return self if began < self.resting_until else self._resting(cause, now, pace)
        since = self.since or now
        failures = min(FAILURES, self.failures + 1)
        # Whoever reached it meanwhile must have had the time to see the failures, and to say so.
        if failures == FAILURES and now - since >= pace.memory:
            return replace(self, failures=failures, since=since)._resting(cause, now, pace)
        return replace(self, failures=failures, since=since, cause=cause)

    def answered(self, now: datetime) -> Health:
        """After a sign of life: a slow one stays slow for its time, all else is forgotten."""
        return Health(slow_until=self.slow_until if self.is_slow(now) else None)

    def slowed(self, now: datetime, pace: Pace) -> Health:
        """After a session that was silent for too long. What was said a moment ago isn't said again."""
        for_ = SLOW_FOR * pace.unit
        return self if self.is_slow(now + for_ / 2) else replace(self, slow_until=now + for_)

    def _resting(self, cause: str | None, now: datetime, pace: Pace) -> Health:
        rests = min(self.rests + 1, len(RESTS))
        return replace(self, cause=cause, rests=rests, resting_until=now + RESTS[rests - 1] * pace.unit)

    def is_resting(self, now: datetime) -> bool:
        return self.resting_until is not None and now < self.resting_until

    def is_slow(self, now: datetime) -> bool:
        return self.slow_until is not None and now < self.slow_until

    @property
    def on_trial(self) -> bool:
        """Whether one session has to show whether a rest was long enough: nobody else goes until then."""
        return self.resting_until is not None

    def wakes(self, luck: float, pace: Pace) -> datetime | None:
        """When a letter comes again that waits for the rest's end; `luck` in [0, 1) spreads those that wait."""
        if self.resting_until is None:
            return None
        return self.resting_until + luck * RESTS[self.rests - 1] * pace.unit / 5

    def record(self) -> Record:
        """The stored form: what differs from perfect health."""
        known = {each.name: plain(getattr(self, each.name)) for each in fields(self)}
        return {name: value for name, value in known.items() if value}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Health:
        return cls(**times(dict(record), "since", "resting_until", "slow_until"))


WELL = Health()


def patience(waited: timedelta, luck: float, pace: Pace) -> timedelta:
    """How long a letter stays away that found no place: the longer it has waited, the longer, from 5 s to 5 units.

    However many wait for a slow destination, they must not spend the workers' time by asking.
    """
    shortest, longest = min(timedelta(seconds=5), pace.unit), 5 * pace.unit
    return max(shortest, min(waited / 2, longest)) * (0.75 + 0.5 * luck)


def luck_of(name: str) -> float:
    """A number in [0, 1) that is the same each time for this name, and nothing like that of the next."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48
