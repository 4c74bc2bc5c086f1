"""The contract of `Submissions`: its lists, page by page in both directions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeVar

import pytest

from postroom.claims import Claims
from postroom.delivery.attempt import Attempt
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Mark, Page, Submissions, UnknownCursor
from tests.contracts.samples import LETTER, MINUTE, NOON, attempt, claimed, deferred, lease, ref, submission, unfranked


class Named(Protocol):
    @property
    def id(self) -> str: ...


One = TypeVar("One", bound=Named)


def older(page: Callable[[Cursor], Page[One]], limit: int) -> list[One]:
    """The whole list, newest first, by following `after`."""
    items: list[One] = []
    cursor = Cursor(limit=limit)
    while True:
        got = page(cursor)
        items += got.items
        if not got.has_more:
            return items
        assert len(got.items) == limit
        cursor = Cursor(after=items[-1].id, limit=limit)


def newer(page: Callable[[Cursor], Page[One]], mark: One, limit: int) -> list[One]:
    """What is newer than `mark`, newest first, by following `before`."""
    items: list[One] = []
    cursor = Cursor(before=mark.id, limit=limit)
    while True:
        got = page(cursor)
        items = [*got.items, *items]
        if not got.has_more:
            return items
        assert len(got.items) == limit
        cursor = Cursor(before=items[0].id, limit=limit)


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_every_submission_is_on_one_page_in_either_direction(submissions: Submissions, limit: int) -> None:
    for minute in (0, 3, 1, 1, 1, 1, 2, 2, 0, 5):
        submissions.create(submission(created_at=NOON + minute * MINUTE), LETTER)
    everything = older(submissions.list, limit)
    assert [(each.created_at - NOON) // MINUTE for each in everything] == [5, 3, 2, 2, 1, 1, 1, 1, 0, 0]
    assert len({each.id for each in everything}) == 10
    assert newer(submissions.list, everything[-1], limit) == everything[:-1]
    assert newer(submissions.list, everything[0], limit) == []


def test_a_page_before_holds_the_nearest_newer_ones(submissions: Submissions) -> None:
    created = [submissions.create(submission(created_at=NOON + minute * MINUTE), LETTER).id for minute in range(6)]
    page = submissions.list(Cursor(before=created[1], limit=2))
    assert [each.id for each in page.items] == [created[3], created[2]]
    assert page.has_more


def test_paging_misses_nothing_while_others_write(submissions: Submissions) -> None:
    old = [submissions.create(submission(created_at=NOON), LETTER).id for _ in range(9)]
    late = NOON + MINUTE

    def page(cursor: Cursor) -> Page[Submission]:
        nonlocal late
        got = submissions.list(cursor)
        late += timedelta(microseconds=1)
        submissions.create(submission(created_at=late), LETTER)
        return got

    seen = [each.id for each in older(page, 2)]
    assert sorted(seen) == sorted(old)


def test_a_list_shows_the_parcels_as_they_are(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(destinations=("a.example", "b.example")), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    (listed,) = submissions.list(Cursor()).items
    assert listed.parcels == (mine, stored.parcels[1])


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_every_attempt_is_on_one_page_in_either_direction(submissions: Submissions, limit: int, claims: Claims) -> None:
    stored = submissions.create(submission(destinations=("a.example", "b.example")), LETTER)
    submissions.create(submission(), LETTER)
    for parcel in stored.parcels:
        for minute in (0, 1, 1, 2):
            at = NOON + minute * MINUTE
            mine = claimed(claims.claim(ref(parcel), lease(since=at), unfranked)).parcel
            parcel = deferred(mine, at)
            assert claims.settle(parcel, attempt(mine, started_at=at))

    def page(cursor: Cursor) -> Page[Attempt]:
        return submissions.attempts(stored.id, cursor)

    everything = older(page, limit)
    assert [(each.started_at - NOON) // MINUTE for each in everything] == [2, 2, 1, 1, 1, 1, 0, 0]
    assert {(each.parcel, each.claim) for each in everything} == {(p, c) for p in (0, 1) for c in (1, 2, 3, 4)}
    assert newer(page, everything[-1], limit) == everything[:-1]


def test_a_cursor_that_is_nowhere_is_refused(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    other = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(other), lease(), unfranked)).parcel
    claims.settle(deferred(mine, NOON), attempt(mine))
    for cursor in (Cursor(after="nowhere"), Cursor(before="nowhere"), Cursor(after=""), Cursor(before="\ud800")):
        with pytest.raises(UnknownCursor):
            submissions.list(cursor)
        with pytest.raises(UnknownCursor):
            submissions.attempts(stored.id, cursor)
    with pytest.raises(UnknownCursor):
        submissions.attempts(stored.id, Cursor(after=attempt(mine).id))  # another letter's


def test_what_has_no_attempts_has_an_empty_page(submissions: Submissions) -> None:
    stored = submissions.create(submission(), LETTER)
    assert submissions.attempts(stored.id, Cursor()) == Page((), has_more=False)


def test_a_walk_by_creation_meets_everything_once(submissions: Submissions) -> None:
    minutes = (0, 3, 1, 1, 1, 2, 2, 0, 5)
    stored = [submissions.create(submission(created_at=NOON + minute * MINUTE), LETTER) for minute in minutes]
    for limit in (1, 2, 100):
        met: list[Submission] = []
        mark = None
        while page := submissions.created_since(mark, NOON + 5 * MINUTE, limit):
            assert len(page) <= limit
            met += page
            mark = Mark(met[-1].created_at, met[-1].id)
        assert [each.created_at for each in met] == sorted(each.created_at for each in met)
        assert sorted(each.id for each in met) == sorted(each.id for each in stored[:-1]), "the last is too young"
        assert all(each.parcels for each in met)
