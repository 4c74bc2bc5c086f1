"""What an event says, as it is posted: rendered anew each time, since what is told of a letter stays with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from postroom.account.event import Event
from postroom.delivery.payload import event as event_of
from postroom.delivery.payload import letter_event
from postroom.delivery.record import SubmissionId
from postroom.ports import Found


@dataclass(frozen=True, slots=True)
class EventBody:
    """Raises `Unavailable`."""

    find: Callable[[SubmissionId, int], Found | None]  # a parcel
    headers_of: Callable[[Found], Iterable[tuple[str, str]]]  # those that its letter was given

    def __call__(self, event: Event) -> bytes | None:
        """JSON; None where the letter that it is about has been erased."""
        if event.parcel is None:
            return event_of(event.type, event.created_at, event.data or {})
        submission, number, place = event.parcel
        found = self.find(SubmissionId(submission), number)
        if found is None or place >= len(found.parcel.news):
            return None
        return letter_event(found.submission, found.parcel, place, self.headers_of(found))
