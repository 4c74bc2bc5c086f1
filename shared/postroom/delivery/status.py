"""The states of a recipient, and the table of lawful moves between them.

`Status` is our own, precise word; `last_event` folds the recipients of a letter into the one word that
Resend's clients know. Every change of a state in postroom goes through `move`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    SCHEDULED = "scheduled"  # waits for its scheduled_at
    QUEUED = "queued"  # a task is out for it
    SENDING = "sending"  # its parcel is claimed
    DEFERRED = "deferred"  # refused for now; next_attempt_at is set
    DELIVERED = "delivered"  # the destination took responsibility
    BOUNCED = "bounced"  # refused for good
    UNKNOWN = "unknown"  # the reply to the final dot was lost, and the policy is to hold
    SUPPRESSED = "suppressed"  # never sent: on the suppression list
    CANCELED = "canceled"  # never sent: taken back
    EXPIRED = "expired"  # too old to go on
    FAILED = "failed"  # could not be sent at all
    COMPLAINED = "complained"  # delivered, and reported as spam


class Outcome(StrEnum):
    """How one attempt ended."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the reply was lost after the final dot
    ABANDONED = "abandoned"  # its worker died; nobody knows whether the final dot was sent
    NOT_ATTEMPTED = "not_attempted"


class UnlawfulMove(ValueError):
    """A recipient was to be moved between two states that the table does not join."""


_S = Status

MOVES: dict[Status, frozenset[Status]] = {
    _S.SCHEDULED: frozenset({_S.QUEUED, _S.CANCELED, _S.SUPPRESSED, _S.FAILED}),
    _S.QUEUED: frozenset({_S.SENDING, _S.SUPPRESSED, _S.CANCELED, _S.EXPIRED, _S.FAILED}),
    _S.SENDING: frozenset(
        {
            _S.DELIVERED,
            _S.DEFERRED,
            _S.BOUNCED,
            _S.UNKNOWN,
            _S.QUEUED,  # not attempted
            _S.FAILED,
            _S.SENDING,  # taken over from a dead worker
        }
    ),
    _S.DEFERRED: frozenset({_S.SENDING, _S.CANCELED, _S.EXPIRED, _S.SUPPRESSED, _S.BOUNCED, _S.FAILED}),
    _S.DELIVERED: frozenset({_S.COMPLAINED, _S.BOUNCED}),  # by a later report
    _S.BOUNCED: frozenset({_S.COMPLAINED}),
    _S.UNKNOWN: frozenset({_S.QUEUED, _S.DELIVERED, _S.BOUNCED}),
    _S.SUPPRESSED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.EXPIRED: frozenset({_S.QUEUED}),
    _S.FAILED: frozenset({_S.QUEUED}),
    _S.COMPLAINED: frozenset(),
}

OPEN = frozenset({_S.SCHEDULED, _S.QUEUED, _S.SENDING, _S.DEFERRED})
"""States in which postroom still has work to do for the recipient."""


def may(current: Status, to: Status) -> bool:
    """Whether the table joins the two."""
    return to in MOVES[current]


def move(current: Status, to: Status) -> Status:
    """Return `to`; raise `UnlawfulMove` where the table doesn't join the two."""
    if not may(current, to):
        raise UnlawfulMove(f"a recipient can't go from {current} to {to}")
    return to


_RESEND_WORD = {
    _S.SCHEDULED: "scheduled",
    _S.QUEUED: "queued",
    _S.SENDING: "queued",
    _S.DEFERRED: "delivery_delayed",
    _S.DELIVERED: "delivered",
    _S.BOUNCED: "bounced",
    _S.UNKNOWN: "sent",
    _S.SUPPRESSED: "suppressed",
    _S.CANCELED: "canceled",
    _S.FAILED: "failed",
    _S.COMPLAINED: "complained",
}

# The worst news leads: the sender of a letter to three people must see the one that bounced.
_WORST_FIRST = (
    "bounced",
    "failed",
    "suppressed",
    "complained",
    "delivery_delayed",
    "queued",
    "scheduled",
    "sent",
    "canceled",
    "delivered",
)


WORDS = tuple(sorted(_WORST_FIRST))
"""All that `last_event` can be."""


def resend_word(status: Status, attempts: int) -> str:
    """One recipient's state in Resend's vocabulary; strict clients fail on any other word."""
    if status is Status.EXPIRED:
        return "bounced" if attempts else "failed"
    return _RESEND_WORD[status]


def last_event(recipients: Iterable[tuple[Status, int]]) -> str:
    """The letter's `last_event`, from the state and the number of attempts of each recipient."""
    words = {resend_word(status, attempts) for status, attempts in recipients}
    return next(word for word in _WORST_FIRST if word in words)
