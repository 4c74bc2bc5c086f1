"""The contract of `Submissions`: a letter whose files were still to be fetched is completed once."""

from __future__ import annotations

import pytest

from postroom.claims import Claims
from postroom.delivery.record import SubmissionId
from postroom.ports import Submissions
from tests.contracts.samples import LETTER, claimed, delivered, franked, lease, ref, submission
from tests.contracts.threads import at_once

SMALL, LARGE = b"a letter with its file", bytes(range(256)) * 4000

HOPS = [("example.org",), ("example.org", "example.net")]


@pytest.mark.parametrize("before", [LETTER, LARGE + b"before"], ids=["small before", "large before"])
@pytest.mark.parametrize("after", [SMALL, LARGE], ids=["small after", "large after"])
@pytest.mark.parametrize("destinations", HOPS, ids=["one hop", "two hops"])
def test_a_completed_letter_takes_the_place_of_the_one_before(
    submissions: Submissions, before: bytes, after: bytes, destinations: tuple[str, ...]
) -> None:
    stored = submissions.create(submission(destinations=destinations), before)
    assert submissions.complete(stored.id, after) == after
    assert submissions.letter(stored.id) == after
    for parcel in stored.parcels:
        found = submissions.find(stored.id, parcel.number)
        assert found is not None
        assert found.letter in (after, None)
    assert submissions.get(stored.id) == stored


@pytest.mark.parametrize("after", [SMALL, LARGE], ids=["small", "large"])
def test_whoever_comes_second_gets_the_firsts(submissions: Submissions, after: bytes) -> None:
    stored = submissions.create(submission(), LETTER)
    assert submissions.complete(stored.id, after) == after
    for late in (b"another", LARGE + b"another", after):
        assert submissions.complete(stored.id, late) == after
    assert submissions.letter(stored.id) == after
    assert submissions.create(stored, LETTER) == stored
    assert submissions.letter(stored.id) == after, "nor does the repeat of the request change it"


@pytest.mark.parametrize("size", [10, 400_000])
def test_of_many_who_complete_it_at_once_all_get_the_same(submissions: Submissions, size: int) -> None:
    stored = submissions.create(submission(), LETTER)
    answers = at_once(6, lambda number: submissions.complete(stored.id, b"%d" % number * size))
    assert len(set(answers)) == 1
    assert submissions.letter(stored.id) == answers[0]


def test_a_letter_is_completed_beside_a_claim(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), franked)).parcel
    assert submissions.complete(stored.id, SMALL) == SMALL
    assert claims.settle(delivered(mine), None)
    assert submissions.letter(stored.id) == SMALL


def test_there_is_nothing_to_complete_where_there_is_no_letter(submissions: Submissions) -> None:
    for nowhere in ("8ef7dd4c-5d0f-4a3b-9b39-9d0c3f1f7a11", "no such id", "\ud800"):
        assert submissions.complete(SubmissionId(nowhere), SMALL) is None
