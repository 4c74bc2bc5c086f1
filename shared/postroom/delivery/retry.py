"""When a deferred recipient is tried again, and when postroom gives up (RFC 5321 §4.5.4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DEFAULT_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120, 240))

MINUTE = timedelta(minutes=1)

GREYLISTED_FOR = timedelta(minutes=10)
"""The first retry after greylisting comes by then: most servers open after one to fifteen minutes (RFC 6647)."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    delays: tuple[timedelta, ...] = DEFAULT_DELAYS  # between attempts; the last one repeats
    give_up_after: timedelta = timedelta(days=3)  # counted from the first time that the letter could be sent
    spread: float = 0.1  # of a delay, by which letters that were deferred together are drawn apart

    @property
    def verifiable_for(self) -> timedelta:
        """How long a signature holds: a copy that is delivered last of all must still verify (RFC 6376 §3.5, x=)."""
        return self.give_up_after + timedelta(days=4)

    def next_attempt(
        self,
        *,
        attempts: int,
        due: datetime,
        now: datetime,
        expires_at: datetime | None = None,
        hint: timedelta | None = None,
        greylisted: bool = False,
        luck: float = 0.0,
    ) -> datetime | None:
        """When to try again after `attempts` attempts (1 or more), or None once the letter is too old.

        `due` is when the letter was first to be sent: its age is counted from there. An attempt that would
        start after `expires_at`, or after the letter is given up, is not made.

        `hint` is how long the server asked us to wait: the schedule is followed, but not sooner than that, and what
        is greylisted goes again as soon as it may. `luck`, from 0 to 1, is where in the spread the attempt falls:
        always later than the schedule, never sooner. Neither of them makes a letter too old.
        """
        delay = self.delays[min(attempts, len(self.delays)) - 1]
        if greylisted and attempts == 1:
            delay = min(delay, GREYLISTED_FOR if hint is None else max(hint, MINUTE))
        end = self.end(due, expires_at)
        if now + delay > end:
            return None
        asked = delay if hint is None else max(delay, min(max(hint, MINUTE), self.give_up_after))
        # A minute of the letter's time is left, so that what waits for as long as it can still finds it alive.
        latest = max(now + delay, end - MINUTE)
        return min(now + asked * (1 + self.spread * luck), latest)

    def too_late(self, *, due: datetime, now: datetime, expires_at: datetime | None) -> bool:
        """Whether no attempt may start any more."""
        return now > self.end(due, expires_at)

    def end(self, due: datetime, expires_at: datetime | None) -> datetime:
        """After which no attempt starts."""
        end = due + self.give_up_after
        return end if expires_at is None else min(end, expires_at)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d{1,6}) ?(s|m|h|d)[a-z]*", re.IGNORECASE | re.ASCII)

# "try again in 300 seconds", "Greylisted for 5 minutes", "come back in 00:05:00", "retry=300", "wait 15 min",
# "retry after 1h 30m": a word that asks us to wait, few words, and a time. "5 messages per hour" is none.
LONGEST_HINT = timedelta(days=1)
"""A longer time is no word on when to come again, but of something else: the age of a domain, the length of a ban."""

_HINT = re.compile(
    r"\b(?:try|retry|retrying|again|back|wait|resend|gr[ae]y-?list(?:ed|ing)?|deferred|delayed)\b[^\d./]{0,30}"
    r"(?:(?<=in |ry=)(?P<clock>\d{1,3}:[0-5]\d:[0-5]\d)\b"  # `at` and `after` speak of the time of day
    r"|(?P<parts>\d{1,6} ?(?:s(?:ec[a-z]*)?|m(?:in[a-z]*)?|h(?:ours?|rs?)?|d(?:ays?)?)(?![a-z])"
    r"(?:(?:,| and)? ?\d{1,6} ?(?:s(?:ec[a-z]*)?|m(?:in[a-z]*)?|h(?:ours?|rs?)?)(?![a-z])){0,3})"
    r"|(?<=retry=)(?P<seconds>\d{1,6})\b)",
    re.IGNORECASE | re.ASCII,
)


def hinted(words: str) -> timedelta | None:
    """How long the server asks us to wait before we try again, in its words, or None where it doesn't say."""
    match = _HINT.search(words)
    if match is None:
        return None
    if match["clock"]:
        hours, minutes, seconds = map(int, match["clock"].split(":"))
        wait = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    elif match["seconds"]:
        wait = timedelta(seconds=int(match["seconds"]))
    else:
        parts = _PART.findall(match["parts"])
        wait = timedelta(seconds=sum(int(number) * _UNITS[unit.lower()] for number, unit in parts))
    return wait if wait <= LONGEST_HINT else None
