"""What is particular to erasing on Google Cloud: subcollections and objects outlive the document they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from postroom.claims import Claims
from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.letters import LARGEST_WITHIN
from postroom.clouds.gcp.submissions import FirestoreSubmissions
from tests.contracts.gcp import BUCKET
from tests.contracts.samples import LETTER, NOON, attempt, claimed, deferred, lease, ref, submission, unfranked
from tests.homes.firestore import firestore, missing
from tests.homes.storage import Storage, storage

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
def kept() -> Iterator[Storage]:
    with firestore(), storage(BUCKET) as kept:
        yield kept


@pytest.fixture
def clients(kept: Storage) -> Clients:
    assert not kept.objects
    return Clients(f"demo-{uuid4().hex}")


def documents(clients: Clients) -> list[str]:
    """The kinds of all documents that there are, wherever they lie."""
    found = [(kind, clients.firestore().collection_group(kind)) for kind in ("submissions", "parcels", "attempts")]
    return [kind for kind, group in found for _ in group.stream()]


@pytest.mark.parametrize("destinations", [("a.example",), ("a.example", "b.example")], ids=["one hop", "two hops"])
def test_of_what_is_purged_no_document_and_no_object_is_left(
    clients: Clients, kept: Storage, destinations: tuple[str, ...]
) -> None:
    submissions = FirestoreSubmissions(clients, BUCKET)
    claims, large = Claims(submissions=submissions), os.urandom(LARGEST_WITHIN + 1)
    for before, after in ((LETTER, large), (large, LETTER), (large, large[1:] + b"x"), (LETTER, LETTER * 2)):
        stored = submissions.create(submission(destinations=destinations), before)
        for parcel in stored.parcels:
            for _ in range(2):
                mine = claimed(claims.claim(ref(parcel), lease(), unfranked)).parcel
                parcel = deferred(mine, NOON)
                assert claims.settle(parcel, attempt(mine))
        assert submissions.complete(stored.id, after) == after
        assert "attempts" in documents(clients)
        submissions.erase(stored.stripped())
        assert (documents(clients), kept.objects) == (["submissions"], {})
        submissions.purge(stored.id)
        assert documents(clients) == []
