"""The document of a submission: its head, and how many parcels it has. Its letter is the business of `letters`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

from postroom.clouds.gcp import parcels
from postroom.clouds.gcp.documents import Document, Documents, Fields, Path
from postroom.clouds.gcp.records import packed, unpacked
from postroom.delivery.parcel import Parcel
from postroom.delivery.submission import Submission

COLLECTION = "submissions"
SHARDS = 8
FIELDS = ("head", "parcels", *parcels.FIELDS)
"""What is read of each to show it: neither its letter nor an attempt."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")


def is_id(text: str) -> bool:
    """Whether a document of ours can have this id."""
    return _ID.fullmatch(text) is not None


def path(submission: str) -> Path | None:
    """Where the document is, or None where no submission can have this id."""
    return (COLLECTION, submission) if is_id(submission) else None


def fresh(submission: Submission) -> Fields:
    """The fields by which the head is stored, and found by its creation."""
    return {
        "head": packed(submission.record()),
        "parcels": len(submission.parcels),
        "created_at": submission.created_at,
        "shard": crc32(submission.id.encode()) % SHARDS,
    }


def erased(submission: Submission) -> Fields:
    """The fields that a stripped head leaves. Without a shard, no list finds it."""
    return {"head": packed(submission.record()), "parcels": 0, "created_at": submission.created_at}


def read(document: Document, of: Sequence[Parcel] = ()) -> Submission:
    """The head in a document, with the parcels `of` it."""
    return Submission.from_record(unpacked(document.fields["head"]), of)


def read_whole(documents: Documents, found: Sequence[Document]) -> list[Submission]:
    """The submissions with their parcels; those that have several take one more read for all of them."""
    paths = [path for each in found for path in parcel_paths(each)]
    apart = dict(zip(paths, documents.read(paths, parcels.FIELDS), strict=True)) if paths else {}

    def parcels_of(head: Document) -> list[Parcel]:
        if is_alone(head):
            return [parcels.read(head, alone=True)]
        kept = [apart[path] for path in parcel_paths(head)]
        return [parcels.read(each, alone=False) for each in kept if each is not None]

    return [read(head, parcels_of(head)) for head in found]


def is_alone(head: Document) -> bool:
    """Whether there is one parcel only, which is kept in the submission's own document."""
    return bool(head.fields["parcels"] == 1)


def parcel_paths(head: Document) -> list[Path]:
    """Where the parcels are that have documents of their own."""
    if is_alone(head):
        return []
    return [parcels.path((COLLECTION, head.id), number) for number in range(head.fields["parcels"])]
