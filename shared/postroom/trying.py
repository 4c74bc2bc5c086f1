"""Having a webhook told what it wasn't told by itself: an event once more, or one that nothing has happened for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from postroom.account.event import Event
from postroom.account.sample import sample
from postroom.account.webhook import OURS, State, Webhook
from postroom.catalog import newest_first
from postroom.delivery.notice import Notice
from postroom.delivery.record import microseconds, shown
from postroom.event_log import EventLog
from postroom.ports import Schedule


class Disabled(Exception):
    """The webhook is told nothing."""


class NotWanted(ValueError):
    """The webhook doesn't want events of the type, or none ever happens here. The text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trying:
    """All raise `Unavailable`, and `Disabled` where the webhook is."""

    log: EventLog
    schedule: Schedule
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]

    def replay(self, webhook: Webhook, event: str) -> Event | None:
        """Post the event once more, and by the whole schedule where that fails; None where there is no such event."""
        _check_enabled(webhook)
        again = self.log.replay(webhook.id, event)
        if again is not None:
            self._put(webhook, again)
        return again

    def test(self, webhook: Webhook, type_: str | None) -> Event:
        """Post a sample of that type, or of the first that it wants. Raises `NotWanted`."""
        _check_enabled(webhook)
        wanted = [each for each in webhook.events if each in OURS]
        if type_ is None and not wanted:
            raise NotWanted("it wants none of the types that happen here")
        if type_ is not None and type_ not in OURS:
            raise NotWanted(f"{type_} never happens here, so there is no sample of it")
        if type_ is not None and type_ not in wanted:
            raise NotWanted(f"the webhook wants none of that type, but {', '.join(webhook.events)}")
        now = self.clock()
        type_ = type_ or wanted[0]
        made = Event(
            id=newest_first(now, self.randomness),
            type=type_,
            created_at=now,
            data=sample(type_, shown(now)),
            next_attempt_at=now,
        )
        self.log.begin(webhook.id, made)
        self._put(webhook, made)
        return made

    def _put(self, webhook: Webhook, event: Event) -> None:
        now = self.clock()
        self.schedule.put(Notice(webhook.id, events=(event.id,), turn=microseconds(now)), now)


def _check_enabled(webhook: Webhook) -> None:
    if webhook.status is State.DISABLED:
        raise Disabled
