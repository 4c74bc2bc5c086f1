"""Retention over every home: what it asks of a home is counted, and what it leaves is nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from postroom.ports import Cursor
from postroom.retention import Retention
from tests.contracts.homes import Home
from tests.contracts.samples import (
    LETTER,
    MINUTE,
    NOON,
    attempt,
    claimed,
    deferred,
    delivered,
    lease,
    ref,
    submission,
    unfranked,
)
from tests.contracts.test_sweep import Counted

DAY = timedelta(days=1)


def run(home: Home, days: float) -> tuple[int, Counted, Counted]:
    submissions, directory = Counted(home.submissions), Counted(home.directory)
    retention = Retention(
        submissions=submissions,
        directory=directory,
        clock=lambda: NOON + days * DAY,
        monotonic=lambda: 0.0,
        identify=lambda: uuid4().hex,
        keep=30 * DAY,
        seconds=60,
    )
    return retention(), submissions, directory


@pytest.mark.parametrize("hops", [("example.org",), ("example.org", "example.net")], ids=["one hop", "two hops"])
def test_what_is_old_goes_and_what_is_young_or_open_stays(home: Home, hops: tuple[str, ...]) -> None:
    old, young, waiting = (
        home.submissions.create(submission(created_at=at, destinations=hops), LETTER)
        for at in (NOON, NOON + DAY, NOON + MINUTE)
    )
    for letter in (old, young, waiting):
        for parcel in letter.parcels:
            mine = claimed(home.claims.claim(ref(parcel), lease(), unfranked)).parcel
            after = delivered(mine) if letter is not waiting else deferred(mine, NOON)
            assert home.claims.settle(after, attempt(mine))
    gone, submissions, _ = run(home, 30.5)
    assert gone == 1
    assert submissions.calls == {"created_since": 1, "purge": 1}
    assert [each.id for each in home.submissions.list(Cursor()).items] == [young.id, waiting.id]
    assert home.submissions.get(old.id) is None
    assert home.submissions.attempts(old.id, Cursor()).items == ()
    gone, submissions, directory = run(home, 30.6)
    assert gone == 0
    assert submissions.calls == {"created_since": 1}
    assert directory.calls == {"get": 1, "list": 1}, "a run that finds nothing asks for little"
    assert run(home, 31.6)[0] == 1
    assert [each.id for each in home.submissions.list(Cursor()).items] == [waiting.id]
