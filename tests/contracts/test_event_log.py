"""The log of events over every home's directory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.event import Event, Post, Told
from postroom.catalog import newest_first
from postroom.event_log import EventLog
from postroom.ports import Cursor, Directory, UnknownCursor
from tests.contracts.threads import at_once

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
POST = Post(sent_at=NOON, milliseconds=3, status=200, response="thanks")


@pytest.fixture
def log(directory: Directory) -> EventLog:
    return EventLog(directory=directory, clock=lambda: NOON)


def event(minutes: int = 0) -> Event:
    at = NOON + timedelta(minutes=minutes)
    return Event(id=newest_first(at, bytes), type="domain.created", created_at=at, data={"name": "é"})


def test_an_event_is_entered_once(log: EventLog) -> None:
    first = event()
    assert log.get("one", first.id) is None
    assert log.begin("one", first) == first
    told = first.after(POST, Told.DELIVERED)
    assert log.record("one", told, over=first)
    assert log.begin("one", first) == told
    assert log.get("one", first.id) == told
    assert log.get("two", first.id) is None


def test_of_two_who_record_an_attempt_at_once_one_does(log: EventLog) -> None:
    first = event()
    posts = [Post(sent_at=NOON, milliseconds=number) for number in range(4)]
    assert sum(at_once(4, lambda n: log.record("one", first.after(posts[n], Told.PENDING, NOON), over=None))) == 1
    there = log.get("one", first.id)
    assert there is not None
    assert not log.record("one", first.after(POST, Told.DELIVERED), over=first)
    assert log.record("one", there.after(POST, Told.DELIVERED), over=there)
    assert log.record("one", there.after(POST, Told.DELIVERED), over=there)  # its answer was lost, and it is repeated


def test_a_log_is_read_in_pages_newest_first(log: EventLog) -> None:
    events = [log.begin("one", event(minutes)) for minutes in range(5)][::-1]
    first = log.page("one", Cursor(limit=2))
    assert (first.items, first.has_more) == (tuple(events[:2]), True)
    last = log.page("one", Cursor(after=events[2].id, limit=2))
    assert (last.items, last.has_more) == (tuple(events[3:]), False)
    with pytest.raises(UnknownCursor):
        log.page("one", Cursor(after=event(9).id))
    assert log.page("two", Cursor()).items == ()


def test_an_event_is_replayed(log: EventLog) -> None:
    failed = event().after(POST, Told.FAILED)
    log.begin("one", failed)
    again = log.replay("one", failed.id)
    assert again == failed.again(NOON)
    assert log.get("one", failed.id) == again
    assert log.replay("one", event(1).id) is None


def test_what_is_old_is_purged(log: EventLog) -> None:
    events = [log.begin("one", event(minutes)) for minutes in range(5)]
    log.begin("two", event())
    assert log.purge("one", NOON + timedelta(minutes=3), most=2) == 2
    assert log.purge("one", NOON + timedelta(minutes=3), most=100) == 1
    assert log.page("one", Cursor()).items == tuple(events[3:][::-1])
    assert log.purge("one", None, most=100) == 2
    assert log.page("one", Cursor()).items == ()
    assert len(log.page("two", Cursor()).items) == 1


def test_it_is_known_when_an_event_was_taken_last(log: EventLog) -> None:
    told = [
        event(minutes).after(replace(POST, sent_at=NOON + timedelta(minutes=minutes)), Told.DELIVERED)
        for minutes in range(4)
    ]
    for each in told:
        log.begin("one", each)
    log.begin("one", event(5).after(Post(sent_at=NOON, milliseconds=3, status=500), Told.FAILED))
    minute = timedelta(minutes=1)
    assert log.taken("one", NOON, NOON + 9 * minute) == NOON + 3 * minute
    assert log.taken("one", NOON, NOON + 1.5 * minute) == NOON + minute
    assert log.taken("one", NOON + 3 * minute, NOON + 9 * minute) is None
