"""The contract of `Submissions`: what is erased is gone, but for its id; what is purged is gone wholly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.claims import Claims
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Submissions
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

LARGE = bytes(range(256)) * 4000
HOPS = {"one hop": ("example.org",), "two hops": ("example.org", "example.net")}
LETTERS = {"small": (LETTER, b"with a file"), "large": (LARGE, LARGE + b"with a file")}


def carried(submissions: Submissions, claims: Claims, hop: str = "one hop", size: str = "small") -> Submission:
    """A letter that was completed, with two attempts at each parcel."""
    before, after = LETTERS[size]
    stored = submissions.create(submission(destinations=HOPS[hop]), before)
    assert submissions.complete(stored.id, after) == after
    for parcel in stored.parcels:
        first = claimed(claims.claim(ref(parcel), lease(), unfranked)).parcel
        later = deferred(first, NOON)
        assert claims.settle(later, attempt(first))
        second = claimed(claims.claim(ref(later), lease(), unfranked)).parcel
        assert claims.settle(delivered(second), attempt(second, started_at=NOON + MINUTE))
    assert len(submissions.attempts(stored.id, Cursor()).items) == 2 * len(stored.parcels)
    return stored


def is_nowhere(submissions: Submissions, claims: Claims, letter: Submission) -> None:
    assert submissions.letter(letter.id) is None
    assert submissions.complete(letter.id, b"late") is None
    assert submissions.attempts(letter.id, Cursor()).items == ()
    assert submissions.list(Cursor()).items == ()
    assert submissions.created_since(None, NOON + MINUTE, 10) == []
    for parcel in letter.parcels:
        assert submissions.find(letter.id, parcel.number) is None
        assert submissions.change(parcel) is None
        assert claims.claim(ref(parcel), lease(), unfranked) is None, "a worker with a stale task finds nothing"
        assert claims.cancel(letter.id, parcel.number, NOON) is None


@pytest.mark.parametrize("size", LETTERS)
@pytest.mark.parametrize("hop", HOPS)
def test_of_an_erased_letter_a_stripped_head_is_left(
    submissions: Submissions, claims: Claims, hop: str, size: str
) -> None:
    stored = carried(submissions, claims, hop, size)
    bare = stored.stripped()
    assert "ann@" not in str(bare)
    submissions.erase(bare)
    submissions.erase(bare)
    is_nowhere(submissions, claims, stored)
    assert submissions.get(stored.id) == bare
    assert submissions.create(replace(stored, fingerprint="f2"), LETTER) == bare, "its id stays taken"
    assert submissions.create(replace(stored, fingerprint="f2"), LARGE) == bare
    is_nowhere(submissions, claims, stored)


@pytest.mark.parametrize("erased", [False, True], ids=["as it was", "erased"])
@pytest.mark.parametrize("size", LETTERS)
@pytest.mark.parametrize("hop", HOPS)
def test_of_a_purged_letter_nothing_is_left(
    submissions: Submissions, claims: Claims, hop: str, size: str, erased: bool
) -> None:
    stored = carried(submissions, claims, hop, size)
    if erased:
        submissions.erase(stored.stripped())
    submissions.purge(stored.id)
    submissions.purge(stored.id)
    is_nowhere(submissions, claims, stored)
    assert submissions.get(stored.id) is None
    fresh = replace(stored, fingerprint="f2")
    assert submissions.create(fresh, LETTER) == fresh, "its id is free again"
    assert submissions.attempts(stored.id, Cursor()).items == ()
    assert submissions.letter(stored.id) == LETTER


def test_what_was_never_there_can_be_purged(submissions: Submissions) -> None:
    for nowhere in ("8ef7dd4c-5d0f-4a3b-9b39-9d0c3f1f7a11", "no such id", "\ud800"):
        submissions.purge(SubmissionId(nowhere))
    submissions.erase(submission().stripped())
    assert submissions.list(Cursor()).items == ()


def test_the_others_stay(submissions: Submissions, claims: Claims) -> None:
    gone, erased, kept = (carried(submissions, claims) for _ in range(3))
    submissions.purge(gone.id)
    submissions.erase(erased.stripped())
    assert [each.id for each in submissions.list(Cursor()).items] == [kept.id]
    assert submissions.letter(kept.id) == b"with a file"
    assert len(submissions.attempts(kept.id, Cursor()).items) == 2


def test_a_list_goes_on_from_one_that_was_erased(submissions: Submissions) -> None:
    old, erased, new = (submissions.create(submission(created_at=NOON + n * MINUTE), LETTER) for n in range(3))
    submissions.erase(erased.stripped())
    assert [each.id for each in submissions.list(Cursor(after=erased.id)).items] == [old.id]
    assert [each.id for each in submissions.list(Cursor(before=erased.id)).items] == [new.id]


def test_a_list_may_be_bounded_in_time(submissions: Submissions) -> None:
    every = [submissions.create(submission(created_at=NOON + n * MINUTE), LETTER) for n in range(6)]
    ids = [each.id for each in every]

    def listed(**asked: object) -> list[str]:
        page = submissions.list(Cursor(**asked))  # type: ignore[arg-type]  # by name
        assert page.has_more is (len(page.items) == asked.get("limit"))
        return [str(each.id) for each in page.items]

    two, four = NOON + 2 * MINUTE, NOON + 4 * MINUTE
    assert listed(since=two) == ids[:1:-1]
    assert listed(since=two + timedelta(microseconds=1)) == ids[:2:-1]
    assert listed(until=two) == ids[1::-1]
    assert listed(since=two, until=four) == [ids[3], ids[2]]
    assert listed(since=four, until=two) == []
    assert listed(since=two, after=ids[4]) == [ids[3], ids[2]]
    assert listed(until=four, before=ids[1]) == [ids[3], ids[2]]
    assert listed(until=two, after=ids[4]) == [ids[1], ids[0]]
    assert listed(since=four, before=ids[0]) == [ids[5], ids[4]]
    assert listed(since=NOON + MINUTE, limit=2) == [ids[5], ids[4]]
    assert listed(until=NOON + 5 * MINUTE, before=ids[0], limit=2) == [ids[2], ids[1]]
