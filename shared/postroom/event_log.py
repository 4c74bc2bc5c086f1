"""The log of a webhook: its events, with every attempt to tell them.

Their ids begin with their time, the newest first, and so do the keys of the documents: a page is one read, and what is
too old to be kept lies at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from postroom.account.event import Event
from postroom.at_once import at_once
from postroom.catalog import newest_first
from postroom.ports import Cursor, Directory, Page, Unavailable, UnknownCursor

_LAST = 1000  # events among which it is looked for one that was taken
_TRIES = 10  # at a change that others keep getting in the way of


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """The logs of all webhooks. All raise `Unavailable`."""

    directory: Directory
    clock: Callable[[], datetime]

    def get(self, webhook: str, event: str) -> Event | None:
        document = self.directory.get(_kind(webhook), event)
        return None if document is None else Event.from_record(document)

    def begin(self, webhook: str, event: Event) -> Event:
        """Enter the event unless it is there; what is there either way."""
        return Event.from_record(self.directory.create(_kind(webhook), event.id, event.record()))

    def record(self, webhook: str, event: Event, over: Event | None) -> bool:
        """Write the event where the log holds `over`, or None for nothing. Whether it did, or holds `event` already."""
        kind = _kind(webhook)
        if over is None:
            return self.begin(webhook, event) == event
        return (
            self.directory.replace(kind, event.id, event.record(), over.record())
            or self.get(webhook, event.id) == event
        )

    def page(self, webhook: str, cursor: Cursor) -> Page[Event]:
        """Those that are older than the cursor's `after`, newest first. Raises `UnknownCursor`."""
        if cursor.after is not None and self.directory.get(_kind(webhook), cursor.after) is None:
            raise UnknownCursor(cursor.after)
        # One more than the page holds tells whether there are more.
        found = self.directory.list(_kind(webhook), cursor.after or "", cursor.limit + 1)
        return Page.of(cursor, [Event.from_record(document) for _, document in found])

    def taken(self, webhook: str, since: datetime, until: datetime) -> datetime | None:
        """When an event was taken last, after `since`, among the many that had happened before `until`."""
        after = newest_first(until, bytes)
        found = [Event.from_record(document) for _, document in self.directory.list(_kind(webhook), after, _LAST)]
        return max((at for at in (each.taken_at for each in found) if at is not None and at > since), default=None)

    def replay(self, webhook: str, event: str) -> Event | None:
        """Have the event told once more, by the whole schedule, or None where there is none. Its notice isn't put."""
        for _ in range(_TRIES):
            found = self.get(webhook, event)
            if found is None:
                return None
            again = found.again(self.clock())
            if self.record(webhook, again, over=found):
                return again
        raise Unavailable(f"the event {event} is being changed all the time")

    def purge(self, webhook: str, before: datetime | None, most: int) -> int:
        """Remove events from before that moment, or of all times, `most` of them. How many went."""
        after = "" if before is None else newest_first(before, lambda octets: b"\xff" * octets)
        found = self.directory.list(_kind(webhook), after, most)
        at_once(lambda each: self.directory.delete(_kind(webhook), each[0]), found)
        return len(found)


def _kind(webhook: str) -> str:
    return f"event_{webhook}"
