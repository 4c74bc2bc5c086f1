"""Erasing a letter: the use case of `DELETE /emails/{id}`.

What is under its idempotency key must not be sent again by a repeat, so a head that says nothing of it stays until no
repeat can come any more. The sweep removes that, by a note that is left before anything is erased.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.delivery.parcel import Lease, Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status
from postroom.idempotency import WINDOW
from postroom.ports import Directory, Holders, Submissions
from postroom.sweep import leave_note

NOTE = "purge_note"
"""The kind of the notes that tell which letters are to be looked at for what can be removed of them."""


class StillSending(Exception):
    """Somebody is about to send to one of the recipients; by `until` that is over."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"one of its recipients is being sent to, until {until.isoformat()} at most")
        self.until = until


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Erases letters, whose open recipients are cancelled first."""

    submissions: Submissions
    directory: Directory
    clock: Callable[[], datetime]
    holders: Holders | None = None

    def __call__(self, id_: SubmissionId) -> bool:
        """Whether it was there. Raises `StillSending`, with some recipients cancelled perhaps, or `Unavailable`."""
        submission = self.submissions.get(id_)
        if submission is None or submission.erased:
            return False
        now = self.clock()
        for parcel in submission.parcels:
            self._check(parcel.lease, now)
        for parcel in submission.parcels:
            self._close(id_, parcel.number, now)
        leave_note(self.directory, max(now, submission.created_at + WINDOW), [id_], id_, NOTE)
        self.submissions.erase(submission.stripped())
        return True

    def _close(self, id_: SubmissionId, number: int, now: datetime) -> None:
        """Let nobody claim the parcel any more. Whoever held it and is dead loses it."""
        while (found := self.submissions.find(id_, number)) is not None:
            self._check(found.parcel.lease, now)
            if found.parcel.lease is None and not found.parcel.open:
                return
            if self.submissions.change(_canceled(found.parcel, now)) is not None:
                return

    def _check(self, lease: Lease | None, now: datetime) -> None:
        if lease is None or lease.until <= now:
            return
        if self.holders is None or not self.holders.is_dead(lease.holder):
            raise StillSending(lease.until)


def _canceled(parcel: Parcel, now: datetime) -> Parcel:
    back = parcel.with_open(lambda each: each.moved(Status.CANCELED, now, next_attempt_at=None))
    return replace(back, lease=None, next_attempt_at=None)
