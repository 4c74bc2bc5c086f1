"""What Firestore charges for: documents written and documents read, counted where they leave the SDK."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from postroom.claims import Claims
from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.submissions import FirestoreSubmissions
from postroom.ports import Cursor
from tests.contracts.gcp import BUCKET, google
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

LONG = "".join(chr(0x4E00 + n * n % 7919) for n in range(9000))  # more than 16 KB, also when it is deflated


@dataclass
class Meter:
    """Counts as Firestore's prices do: a document that is looked for and not there is a read, too."""

    written: int = 0
    commits: int = 0
    read: int = 0
    octets: int = 0  # of the documents read


@pytest.fixture
def clients() -> Iterator[Clients]:
    with google() as made:
        yield made


@pytest.fixture
def submissions(clients: Clients) -> FirestoreSubmissions:
    return FirestoreSubmissions(clients, BUCKET)


@contextmanager
def metered(clients: Clients) -> Iterator[Meter]:
    meter, api = Meter(), clients.firestore()._firestore_api
    commit, get, query = api.commit, api.batch_get_documents, api.run_query

    def counting_commit(request: Any, **options: Any) -> Any:
        meter.written += len(request["writes"])
        meter.commits += 1
        return commit(request=request, **options)

    def counting_get(request: Any, **options: Any) -> Iterator[Any]:
        for answer in get(request=request, **options):
            meter.read += 1
            meter.octets += len(type(answer).serialize(answer))
            yield answer

    def counting_query(request: Any, **options: Any) -> Iterator[Any]:
        for answer in query(request=request, **options):
            meter.read += bool(answer.document.name)
            meter.octets += len(type(answer).serialize(answer))
            yield answer

    with patch.multiple(api, commit=counting_commit, batch_get_documents=counting_get, run_query=counting_query):
        yield meter


def test_a_healthy_letter_costs_three_writes_and_two_reads(clients: Clients, submissions: FirestoreSubmissions) -> None:
    claims = Claims(submissions=submissions)
    with metered(clients) as meter:
        stored = submissions.create(submission(), LETTER)
        assert (meter.written, meter.read) == (1, 0)
        found = submissions.find(stored.id, 0)
        assert found is not None
        assert found.letter == LETTER, "it comes along, so that the worker needn't ask for it"
        assert (meter.written, meter.read) == (1, 1)
        mine = submissions.change(found.parcel.claimed(lease(), None))
        assert mine is not None
        assert (meter.written, meter.read) == (2, 1)
        assert claims.settle(delivered(mine), attempt(mine))
        assert (meter.written, meter.read) == (3, 1)
        assert submissions.created_since(None, NOON + MINUTE, 100) == [submissions.get(stored.id)]
        # The walk reads it once, and so did this test itself.
        assert (meter.written, meter.read) == (3, 3)


def test_a_further_attempt_costs_a_write_of_its_own(clients: Clients, submissions: FirestoreSubmissions) -> None:
    claims = Claims(submissions=submissions)
    stored = submissions.create(submission(), LETTER)
    first = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    again = deferred(first, NOON)
    assert claims.settle(again, attempt(first))
    second = claimed(claims.claim(ref(again), lease(), unfranked)).parcel
    with metered(clients) as meter:
        assert claims.settle(delivered(second), attempt(second))
    assert (meter.written, meter.read) == (2, 0)
    with metered(clients) as meter:
        assert len(submissions.attempts(stored.id, Cursor()).items) == 2
    assert (meter.written, meter.read) == (0, 2)


def test_an_attempt_too_large_to_ride_along_is_kept_apart(submissions: FirestoreSubmissions) -> None:
    claims = Claims(submissions=submissions)
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    large = attempt(mine, text=LONG)
    assert claims.settle(delivered(mine), large)
    assert submissions.attempts(stored.id, Cursor()).items == (large,)


def test_an_attempt_that_is_recorded_again_is_still_one(submissions: FirestoreSubmissions) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(Claims(submissions=submissions).claim(ref(stored), lease(), unfranked)).parcel
    small, large = attempt(mine), attempt(mine, text=LONG)
    for each in (small, small, large):
        again = submissions.change(mine, each)
        assert again is not None
        mine = again
        assert submissions.attempts(stored.id, Cursor()).items == (each,)


def test_what_is_only_looked_at_brings_no_letter(clients: Clients, submissions: FirestoreSubmissions) -> None:
    letter = bytes(n * n % 251 for n in range(100_000))
    stored = submissions.create(submission(), letter)
    with metered(clients) as meter:
        assert submissions.get(stored.id) == stored
        assert submissions.list(Cursor()).items == (stored,)
        assert submissions.created_since(None, NOON + timedelta(days=1), 10) == [stored]
        assert submissions.attempts(stored.id, Cursor()).items == ()
    assert meter.octets < 10_000


def test_a_list_of_letters_for_several_hops_is_read_in_two_calls(
    clients: Clients, submissions: FirestoreSubmissions
) -> None:
    for minute in range(5):
        submissions.create(
            submission(created_at=NOON + minute * MINUTE, destinations=("a.example", "b.example")), LETTER
        )
    with metered(clients) as meter:
        assert len(submissions.list(Cursor(limit=3)).items) == 3
    assert meter.read == 4 + 6, "a head more than is shown, and the parcels of those that are"


def test_a_batch_of_500_is_one_commit_of_as_many_writes(clients: Clients, submissions: FirestoreSubmissions) -> None:
    letters = [(submission(), LETTER) for _ in range(500)]
    with metered(clients) as meter:
        submissions.create_many(letters)
    assert (meter.commits, meter.written, meter.read) == (1, 500, 0)
    with metered(clients) as meter:
        assert submissions.create_many(letters) == [each for each, _ in letters]
    assert (meter.commits, meter.read) == (1, 500)


def test_a_batch_that_is_too_large_for_a_commit_takes_several(
    clients: Clients, submissions: FirestoreSubmissions
) -> None:
    hops = [f"{number}.example" for number in range(30)]
    many = [(submission(destinations=hops), LETTER) for _ in range(20)]
    with metered(clients) as meter:
        submissions.create_many(many)
    assert (meter.commits, meter.written) == (2, 620), "500 writes at most"
    luck = random.Random(7)
    heavy = [(submission(), luck.randbytes(250_000)) for _ in range(20)]
    with metered(clients) as meter:
        submissions.create_many(heavy)
    assert (meter.commits, meter.written) == (3, 20), "2 MiB at most"
    assert [submissions.letter(each.id) for each, _ in heavy] == [letter for _, letter in heavy]
