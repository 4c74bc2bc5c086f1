"""Changing a letter that was taken: another time for it, taking it back, sending once more what didn't get through.

Each parcel is changed by one conditional update, as a worker claims it, so that a change and a claim never both
succeed. A crash between two parcels has promised nothing: the client's repeat finishes the work, and the sweep puts
the tasks of what was changed already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.claims import Claims
from postroom.delivery.amendment import RETRIED
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from postroom.ports import Directory, Schedule, Unavailable
from postroom.sweep import leave_note


class TooLate(ValueError):
    """Nothing of the letter is in a state from which it could be changed so. The text says in which it is."""


class Pointless(ValueError):
    """The letter's own `expires_at` forbids what is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Changes submissions that are stored. Every method raises `Unavailable`, with nothing promised."""

    claims: Claims
    schedule: Schedule
    directory: Directory
    clock: Callable[[], datetime]
    sweep_after: timedelta
    troubled: Callable[[Unavailable], None] = lambda _: None  # told of what was overcome
    tell: Callable[[Iterable[Parcel]], None] = lambda _: None  # the news of parcels to webhooks

    def reschedule(self, submission: Submission, at: datetime) -> None:
        """Have what is still scheduled of it sent at another time. Raises `TooLate` or `Pointless`."""
        now = self.clock()
        if not any(each.status is Status.SCHEDULED for each in submission.recipients):
            raise TooLate(_only("a scheduled email can be given another time", submission.recipients))
        if submission.expires_at is not None and at >= submission.expires_at:
            raise Pointless("This email's expires_at comes before that, so it could never be sent. Send it anew.")
        moved = self._each(submission, max(at, now), lambda id_, n: self.claims.reschedule(id_, n, at, now))
        if not moved:
            raise TooLate(_only("a scheduled email can be given another time", self._again(submission).recipients))
        self._put(moved, at)

    def cancel(self, submission: Submission) -> None:
        """Take back what nobody has claimed of it: that is never sent. Raises `TooLate` where nothing is taken back.

        What was taken back before counts: a repeat changes nothing, and succeeds.
        """
        back = self._each(submission, None, lambda id_, n: self.claims.cancel(id_, n, self.clock()))
        for parcel in back:
            try:
                self.schedule.cancel(parcel.task())
            except Unavailable as error:  # it comes, and finds nothing to do
                self.troubled(error)
        if not back:
            recipients = self._again(submission).recipients
            if not any(each.status is Status.CANCELED for each in recipients):
                raise TooLate(_only("an email that still waits can be canceled", recipients))

    def retry(self, submission: Submission) -> tuple[Recipient, ...]:
        """Send once more, now, what was held, put off, given up or failed of it: those recipients.

        Raises `TooLate` or `Pointless`.
        """
        now = self.clock()
        if not any(each.status in RETRIED for each in submission.recipients):
            raise TooLate(_only(_RETRIABLE, submission.recipients))
        if submission.expires_at is not None and now > submission.expires_at:
            raise Pointless("This email's expires_at has passed, so no attempt at it may start. Send it anew.")
        moved = self._each(submission, now, lambda id_, n: self.claims.retry(id_, n, now))
        if not moved:
            raise TooLate(_only(_RETRIABLE, self._again(submission).recipients))
        self._put(moved, now)
        return tuple(each for parcel in moved for each in parcel.recipients if each.next_attempt_at == now)

    def _each(
        self, submission: Submission, due: datetime | None, change: Callable[[SubmissionId, int], Parcel | None]
    ) -> list[Parcel]:
        """Those of its parcels that could be changed. `due` is when they are to be sent."""
        if due is not None:
            # The sweep has met the letter, and looks at it again when it was due before, if ever.
            leave_note(self.directory, due + self.sweep_after, [submission.id], submission.id)
        changed = (change(submission.id, parcel.number) for parcel in submission.parcels)
        return [each for each in changed if each is not None]

    def _put(self, parcels: Sequence[Parcel], at: datetime) -> None:
        try:
            self.schedule.put_many([(parcel.task(), at) for parcel in parcels])
            self.tell(parcels)
        except Unavailable as error:
            # It is changed already, and the sweep puts what has no task.
            self.troubled(error)

    def _again(self, submission: Submission) -> Submission:
        """The submission as it is by now: somebody was faster."""
        return self.claims.submissions.get(submission.id) or submission


_RETRIABLE = "an email that is unknown, deferred, expired or failed can be sent once more"


def _only(what: str, recipients: Sequence[Recipient]) -> str:
    """Why not, for the engineer who reads it."""
    states = list(dict.fromkeys(str(each.status) for each in recipients))
    return f"Only {what}, and this one is {' and '.join(states)}."
