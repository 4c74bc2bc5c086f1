"""The fence: who may work at a parcel, decided the same way in every home.

A parcel is claimed, settled, marked, taken over and taken back by one conditional update each, over the version that
was read. Whoever loses reads again, and finds what the winner did. Each update of a parcel that nobody holds any more
notes in it what webhooks are to be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.delivery.amendment import canceled, rescheduled, retried
from postroom.delivery.attempt import Attempt
from postroom.delivery.news import Wanted, with_news
from postroom.delivery.parcel import Franking, Lease, Parcel, Standing, standing
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.delivery.task import ParcelRef
from postroom.ports import Found, Holders, Submissions, Unavailable


@dataclass(frozen=True, slots=True)
class Claimed:
    """The parcel is ours until the lease ends; `taken_over` tells that a dead worker's claim was ended for it."""

    submission: Submission  # the head: without parcels
    parcel: Parcel
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """Another worker is at it. Look again at `until`: it may be dead by then."""

    parcel: Parcel
    until: datetime


@dataclass(frozen=True, slots=True)
class Early:
    """The next attempt isn't due."""

    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Over:
    """The claim that the task names was settled already, or nothing is left to do."""

    parcel: Parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Claims over the submissions of one home. Without `holders` a worker counts as alive until its lease ends."""

    submissions: Submissions
    holders: Holders | None = None
    wanted: Callable[[], Wanted] = dict  # which events each webhook wants

    def claim(
        self,
        ref: ParcelRef,
        lease: Lease,
        frank: Callable[[Found], Franking | None],
        spared: Callable[[Parcel], Parcel] = lambda parcel: parcel,
        *,
        take_over: bool = True,
    ) -> Claimed | Live | Early | Over | None:
        """Take the parcel for `lease`, or say why not; None where there is no such parcel.

        Of any number of claims at the same time exactly one succeeds. A claim whose lease is over, or whose holder is
        known to be dead, is taken over, and its attempt recorded as abandoned; without `take_over` it is said to be
        live until now. `frank` is asked what a first claim is to freeze, only where the parcel can be had. `spared` is
        the parcel without those that no letter is sent to; that is written with the claim, so that nobody who takes it
        over believes that they were asked about.
        """
        if self.holders is not None:
            self.holders.live_as(lease.holder)
        while (found := self.submissions.find(ref.submission, ref.number)) is not None:
            parcel, abandoned = found.parcel, None
            match standing(parcel, ref, lease.since, holder_is_dead=self._is_dead(parcel.lease)):
                case Standing.OVER:
                    return Over(parcel)
                case Standing.EARLY:
                    return Early(parcel)
                case Standing.LIVE:
                    return Live(parcel, self._look_again(parcel.lease, lease.since))
                case Standing.FREE:
                    claimed = spared(parcel.claimed(lease, frank(found)))
                case Standing.TAKE_OVER if not take_over:
                    return Live(parcel, lease.since)
                case Standing.TAKE_OVER:
                    claimed, abandoned = parcel.taken_over(lease, frank(found))
                    claimed = spared(claimed)
            ours = self._changed(claimed, abandoned)
            if ours is not None:
                return Claimed(found.submission, ours, taken_over=abandoned is not None)
            # Somebody else was faster: look again.
        return None

    def _changed(self, claimed: Parcel, abandoned: Attempt | None) -> Parcel | None:
        """`change`, where an error left in doubt whether it was done: a claim that nobody knows of stands for long."""
        try:
            return self.submissions.change(claimed, abandoned)
        except Unavailable:
            found = self.submissions.find(claimed.submission, claimed.number)
            if found is None or found.parcel != claimed:
                raise
            return found.parcel

    def mark(self, parcel: Parcel) -> Parcel | None:
        """Write, durable on return, that the end of data is about to be said. None where the claim is lost."""
        return self._under_our_claim(replace(parcel, marked=True), None)

    def settle(self, parcel: Parcel, attempt: Attempt | None) -> Parcel | None:
        """Write the parcel and the attempt if the claim is still ours: the parcel's claim number, not settled.

        What was written, with its news; None where the claim is lost. To settle again what an error left in doubt is
        safe: it answers as the first time would have.
        """
        return None if parcel.claim == 0 else self._under_our_claim(with_news(parcel, self.wanted()), attempt)

    def cancel(self, submission: SubmissionId, number: int, now: datetime) -> Parcel | None:
        """Take the parcel back before anybody claims it; None where it is too late, or there is nothing to take back.

        Whoever is told that it is cancelled can be sure that it is never sent.
        """
        return self._unclaimed(submission, number, lambda parcel: canceled(parcel, now))

    def reschedule(self, submission: SubmissionId, number: int, at: datetime, now: datetime) -> Parcel | None:
        """Have the parcel sent at another time; None where it isn't scheduled any more.

        Its next task is put by the caller. Tasks that are out for another time put themselves right.
        """
        return self._unclaimed(submission, number, lambda parcel: rescheduled(parcel, at, now))

    def retry(self, submission: SubmissionId, number: int, now: datetime) -> Parcel | None:
        """Have what didn't get through of the parcel sent once more, now; None where there is nothing of the kind.

        Its next task is put by the caller.
        """
        return self._unclaimed(submission, number, lambda parcel: retried(parcel, now))

    def report(
        self, submission: SubmissionId, number: int, changed: Callable[[Parcel], Parcel | None]
    ) -> Parcel | None:
        """Write what is heard of a parcel after it was settled; None where it is claimed, or `changed` answers None."""
        return self._unclaimed(submission, number, changed)

    def _under_our_claim(self, parcel: Parcel, attempt: Attempt | None) -> Parcel | None:
        while (written := self.submissions.change(parcel, attempt)) is None:
            found = self.submissions.find(parcel.submission, parcel.number)
            if found is not None and _untold(found.parcel) == _untold(parcel):
                return found.parcel  # we wrote it ourselves, and only the answer was lost
            if found is None or found.parcel.lease is None or found.parcel.claim != parcel.claim:
                return None
            # It was changed under our own claim, by us, and whoever tells us now didn't know.
            parcel = replace(parcel, version=found.parcel.version)
        return written

    def _unclaimed(
        self, submission: SubmissionId, number: int, changed: Callable[[Parcel], Parcel | None]
    ) -> Parcel | None:
        while (found := self.submissions.find(submission, number)) is not None:
            parcel = changed(found.parcel) if found.parcel.lease is None else None
            if parcel is None:
                return None
            written = self.submissions.change(with_news(parcel, self.wanted()))
            if written is not None:
                return written
        return None

    def _is_dead(self, lease: Lease | None) -> bool:
        return lease is not None and self.holders is not None and self.holders.is_dead(lease.holder)

    def _look_again(self, lease: Lease | None, now: datetime) -> datetime:
        ends = lease.until if lease is not None else now
        return ends if self.holders is None else min(ends, now + self.holders.look_again)


def _untold(parcel: Parcel) -> Parcel:
    """The parcel apart from its news: which webhooks want it may have changed since a first try to write it."""
    recipients = tuple(replace(each, told=None) for each in parcel.recipients)
    return replace(parcel, recipients=recipients, news=())
