"""What a webhook was told and still waits for: its log, and the news of parcels.

An event is recorded before its news is taken off the parcel: whoever dies in between finds the one, and does the other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from postroom.account.event import Event, Told
from postroom.claims import Claims
from postroom.delivery.news import waiting_for, without
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.event_log import EventLog
from postroom.ports import Found


@dataclass(frozen=True, slots=True)
class Ledger:
    """One webhook's. All raise `Unavailable`."""

    webhook: str
    log: EventLog
    claims: Claims

    def event(self, id_: str) -> Event | None:
        return self.log.get(self.webhook, id_)

    def parcel(self, submission: SubmissionId, number: int) -> Found | None:
        return self.claims.submissions.find(submission, number)

    def record(self, before: Event | None, after: Event) -> None:
        """Write the event over what it was. Where somebody else was at it too, none of the attempts is lost."""
        while not self.log.record(self.webhook, after, before):
            before = self.event(after.id)
            if before is not None:
                after = _merged(before, after)

    def take_off(self, submission: SubmissionId, number: int, places: Collection[int]) -> bool:
        """Let that news of a parcel wait for the webhook no more; False where a worker holds the parcel just now."""
        if not places:
            return True
        unclaimed = False

        def told(stored: Parcel) -> Parcel | None:
            nonlocal unclaimed
            unclaimed = True
            taken = without(stored, self.webhook, places)
            return None if taken == stored else taken

        self.claims.report(submission, number, told)
        return unclaimed or self.parcel(submission, number) is None  # it was erased, and its news with it

    def drop_parcel(self, submission: SubmissionId, number: int) -> bool:
        """Take all of a parcel's news off, untold. As `take_off`."""
        found = self.parcel(submission, number)
        return found is None or self.take_off(submission, number, waiting_for(found.parcel, self.webhook))

    def drop_event(self, id_: str) -> bool:
        """Give an event up, unless it was delivered before it was to be told once more. As `take_off`."""
        event = self.event(id_)
        if event is None:
            return True
        if event.status is Told.PENDING:
            status = Told.DELIVERED if event.taken_at is not None else Told.FAILED
            self.record(event, replace(event, status=status, next_attempt_at=None))
        return self.close(event)

    def close(self, event: Event) -> bool:
        """Take off the news of an event that is done with. As `take_off`."""
        if event.parcel is None:
            return True
        submission, number, place = event.parcel
        return self.take_off(SubmissionId(submission), number, [place])


def _merged(stored: Event, ours: Event) -> Event:
    """What is stored, and our attempts. An event that anybody has delivered is."""
    posts = tuple(sorted({*stored.posts, *ours.posts}, key=lambda each: each.sent_at))
    if Told.DELIVERED in (stored.status, ours.status):
        return replace(stored, posts=posts, status=Told.DELIVERED, next_attempt_at=None)
    return replace(stored, posts=posts)
