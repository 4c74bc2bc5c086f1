"""What the adapters of Google Cloud make of lost answers, of silence and of what isn't set up."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Any
from unittest.mock import patch

import pytest

from postroom.claims import Claims
from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.directory import FirestoreDirectory
from postroom.clouds.gcp.submissions import FirestoreSubmissions
from postroom.ports import Cursor, Unavailable
from tests.contracts.gcp import BUCKET, google
from tests.contracts.samples import LETTER, attempt, claimed, deferred, delivered, lease, ref, submission, unfranked
from tests.homes.firestore import Emulator, missing

LARGE = os.urandom(300_000)


@pytest.fixture
def clients() -> Iterator[Clients]:
    with google() as made:
        yield made


@pytest.fixture
def submissions(clients: Clients) -> FirestoreSubmissions:
    return FirestoreSubmissions(clients, BUCKET)


@contextmanager
def every_answer_lost_once(clients: Clients) -> Iterator[list[int]]:
    """Each commit is done, its answer lost, and made again, as the SDK does by itself; how many writes each had."""
    api = clients.firestore()._firestore_api
    commit, commits = api.commit, list[int]()

    def twice(request: Any, **options: Any) -> Any:
        commits.append(len(request["writes"]))
        commit(request=request, **options)
        return commit(request=request, **options)

    with patch.object(api, "commit", twice):
        yield commits


def test_a_change_whose_answer_was_lost_is_known_as_our_own(
    clients: Clients, submissions: FirestoreSubmissions
) -> None:
    claims = Claims(submissions=submissions)
    with every_answer_lost_once(clients) as commits:
        stored = submissions.create(submission(), LETTER)
        mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
        assert claims.settle(deferred(mine, lease().since), attempt(mine))
        again = claimed(claims.claim(ref(deferred(mine, lease().since)), lease(), unfranked)).parcel
        assert claims.settle(delivered(again), attempt(again))
    assert commits == [1, 1, 1, 1, 2], "nothing was done a second time by us"
    after = submissions.get(stored.id)
    assert after is not None
    assert after.parcels == (delivered(again),)
    assert {each.claim for each in submissions.attempts(stored.id, Cursor()).items} == {1, 2}


def test_a_change_that_another_was_faster_than_is_not_our_own(
    clients: Clients, submissions: FirestoreSubmissions
) -> None:
    stored = submissions.create(submission(), LETTER)
    found = submissions.find(stored.id, 0)
    assert found is not None
    with every_answer_lost_once(clients):
        assert submissions.change(found.parcel.claimed(lease("worker-1"), None)) is not None
        assert submissions.change(found.parcel.claimed(lease("worker-2"), None)) is None


def test_a_document_whose_answer_was_lost_is_created(clients: Clients) -> None:
    directory = FirestoreDirectory(clients)
    with every_answer_lost_once(clients):
        assert directory.create("key", "one", {"a": 1}) == {"a": 1}
        directory.put("key", "one", {"a": 2})
    assert directory.get("key", "one") == {"a": 2}


def test_attempts_that_did_not_count_have_the_same_number_and_are_all_kept(submissions: FirestoreSubmissions) -> None:
    claims = Claims(submissions=submissions)
    parcel = submissions.create(submission(), LETTER).parcels[0]
    written = []
    for _ in range(3):
        mine = claimed(claims.claim(ref(parcel), lease(), unfranked)).parcel
        written.append(attempt(mine))
        parcel = replace(mine, lease=None)
        assert claims.settle(parcel, written[-1])
    assert [each.number for each in written] == [1, 1, 1]
    kept = submissions.attempts(parcel.submission, Cursor()).items
    assert sorted(each.claim for each in kept) == [1, 2, 3]


def test_a_large_letter_that_is_stored_stays_as_it_is(submissions: FirestoreSubmissions) -> None:
    stored = submissions.create(submission(), LARGE)
    assert submissions.create(stored, LARGE[::-1]) == stored
    assert submissions.letter(stored.id) == LARGE


def test_a_bucket_that_is_not_there_is_no_erased_letter(clients: Clients, submissions: FirestoreSubmissions) -> None:
    stored = submissions.create(submission(), LARGE)
    with google() as elsewhere:  # the same database, but a store that has lost its bucket
        elsewhere.project = clients.project
        assert FirestoreSubmissions(elsewhere, BUCKET).letter(stored.id) is None
        nowhere = FirestoreSubmissions(elsewhere, "no-such-bucket")
        with pytest.raises(Unavailable, match="Cloud Storage"):
            nowhere.letter(stored.id)
        with pytest.raises(Unavailable, match="Cloud Storage"):
            nowhere.create(submission(), LARGE)


@pytest.mark.parametrize("sign", [signal.SIGSTOP, signal.SIGKILL])
def test_a_firestore_that_does_not_answer_is_unavailable_soon(sign: signal.Signals) -> None:
    if why := missing():
        pytest.skip(why)
    emulator = Emulator()
    try:
        with patch.dict(os.environ, {"FIRESTORE_EMULATOR_HOST": emulator.host}):
            clients = Clients("demo-outage")
            submissions, directory = FirestoreSubmissions(clients, BUCKET), FirestoreDirectory(clients)
            stored = submissions.create(submission(), LETTER)
            found = submissions.find(stored.id, 0)
            assert found is not None
            parcel = found.parcel
            os.kill(emulator.process.pid, sign)
            clients.patience = 0.5
            calls: list[Callable[[], object]] = [
                lambda: submissions.create(submission(), LETTER),
                lambda: submissions.get(stored.id),
                lambda: submissions.list(Cursor()),
                lambda: submissions.change(parcel.claimed(lease(), None)),
                lambda: directory.put("key", "one", {}),
                lambda: directory.delete("key", "one"),
            ]
            for call in calls:
                before = monotonic()
                with pytest.raises(Unavailable, match="Firestore"):
                    call()
                assert monotonic() - before < 1.5
    finally:
        emulator.stop()
