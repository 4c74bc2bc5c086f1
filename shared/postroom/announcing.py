"""Announcing what is no letter's: that a domain, the suppression list or a webhook has changed.

An event is entered in the log of each webhook that wants its type, and its notice put. A note that is left before that
has the sweep see to what is still untold then. Where nobody wants to hear of it, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom.account.event import Event, Told
from postroom.at_once import at_once
from postroom.delivery.news import Wanted, named_id
from postroom.delivery.notice import Notice
from postroom.event_log import EventLog
from postroom.ports import Directory, Schedule, Unavailable
from postroom.sweep import LOOK_AGAIN, due_notes, leave_note

NOTE = "event_note"
"""The kind of the notes that tell which events are to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcing:
    """Enters events and has them told."""

    wanted: Callable[[], Wanted]
    log: EventLog
    directory: Directory
    schedule: Schedule
    clock: Callable[[], datetime]
    after: timedelta  # how late an event must be before the sweep sees to it
    troubled: Callable[[Unavailable], None]  # told of what couldn't be announced

    def wants(self, type_: str) -> bool:
        """Whether anybody does. Where that can't be found out, nobody does."""
        try:
            return any(type_ in types for types in self.wanted().values())
        except Unavailable as error:
            self.troubled(error)
            return False

    def __call__(
        self, type_: str, name: str, at: datetime, data: Mapping[str, Any], without: Iterable[str] = ()
    ) -> None:
        """Tell whoever wants such events, but for the webhooks `without`.

        Its id follows from its type, `name` and when it happened, so a repeat makes no second one. It raises nothing:
        what has happened has, whoever can't be told of it.
        """
        try:
            listeners = [id_ for id_, types in self.wanted().items() if type_ in types and id_ not in without]
            if listeners:
                self._tell(listeners, Event(id=named_id(f"{type_}/{name}", at), type=type_, created_at=at, data=data))
        except Unavailable as error:
            self.troubled(error)

    def _tell(self, listeners: list[str], event: Event) -> None:
        now = self.clock()
        leave_note(self.directory, now + self.after, [f"{id_}/{event.id}" for id_ in listeners], event.id, NOTE)
        stored = at_once(lambda id_: (id_, self.log.begin(id_, event)), listeners)
        fresh = [id_ for id_, each in stored if each == event]
        self.schedule.put_many([(Notice(id_, events=(event.id,)), now) for id_ in fresh])


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """The sweep's part: puts the notices of announced events that are still untold. Raises `Unavailable`."""

    log: EventLog
    directory: Directory
    schedule: Schedule
    clock: Callable[[], datetime]

    def __call__(self) -> int:
        """How many events got a notice."""
        now, told = self.clock(), 0
        for key, names in due_notes(self.directory, now, NOTE):
            pending = [name for name in names if self._is_pending(*name.split("/"))]
            if pending:
                turn = int(now.timestamp())
                parts = (name.split("/") for name in pending)
                self.schedule.put_many([(Notice(id_, events=(event,), turn=turn), now) for id_, event in parts])
                leave_note(self.directory, now + LOOK_AGAIN, pending, key.rpartition("/")[2], NOTE)
            self.directory.delete(NOTE, key)
            told += len(pending)
        return told

    def _is_pending(self, webhook: str, event: str) -> bool:
        stored = self.log.get(webhook, event)
        return stored is not None and stored.status is Told.PENDING
