"""What the sender of a letter may still change about a parcel: whether it goes, when, or that it goes once more.

Only for parcels that nobody has claimed. A parcel that is to go at another time gets a generation which no task of it
has had, so that neither a task that waits under an older name nor its tombstone swallows the new one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import microseconds
from postroom.delivery.status import Status

RETRIED = frozenset({Status.UNKNOWN, Status.DEFERRED, Status.EXPIRED, Status.FAILED})
"""States out of which a recipient can be put back."""


def canceled(parcel: Parcel, now: datetime) -> Parcel | None:
    """The parcel taken back, or None where nothing of it waits."""
    if not parcel.open:
        return None
    back = parcel.with_open(lambda each: each.moved(Status.CANCELED, now, next_attempt_at=None))
    return replace(back, next_attempt_at=None)


def rescheduled(parcel: Parcel, at: datetime, now: datetime) -> Parcel | None:
    """The parcel, to be sent at another time, or None where it isn't scheduled any more.

    The first claim freezes the letter's Date, and with it the moment that it was scheduled for.
    """
    if parcel.claim or not any(each.status is Status.SCHEDULED for each in parcel.recipients):
        return None
    moved = parcel.with_open(lambda each: replace(each, next_attempt_at=at, updated_at=now))
    return replace(moved, scheduled_at=at, next_attempt_at=at, generation=_fresh(parcel, now))


def retried(parcel: Parcel, now: datetime) -> Parcel | None:
    """The parcel with what didn't get through put back, due now, or None where there is nothing of the kind.

    Its age and its retry schedule begin anew. That it may have been delivered stays true, and so do its letter's octets
    but for the expiry of their signature.
    """

    def put_back(each: Recipient) -> Recipient:
        if each.status is Status.DEFERRED:  # it waits already, and what the server said still stands
            return replace(each, next_attempt_at=now, updated_at=now)
        if each.status not in RETRIED:
            return each
        forgotten = dict.fromkeys(("code", "enhanced_code", "response", "cause", "mx"))
        return each.moved(Status.QUEUED, now, next_attempt_at=now, **forgotten)

    if not any(each.status in RETRIED for each in parcel.recipients):
        return None
    return replace(
        parcel,
        recipients=tuple(map(put_back, parcel.recipients)),
        generation=_fresh(parcel, now),
        next_attempt_at=now,
        retried_at=now,
        retried_after=parcel.attempts,
        deaths=0,
        marked=False,
    )


def _fresh(parcel: Parcel, now: datetime) -> int:
    """A generation that no task has had: those that workers count up themselves never come near it."""
    return max(parcel.generation + 1, microseconds(now))
