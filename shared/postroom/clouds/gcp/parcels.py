"""How a parcel is kept: in its submission's document where it is the only one, else in a document of its own.

The first attempt at it rides along in the same document, so that a healthy letter is settled by one write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from postroom.clouds.gcp.documents import Document, Fields, Path
from postroom.clouds.gcp.records import packed, unpacked
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Parcel

FIELDS = ("parcel", "ridden")
RIDING = ("attempt",)
LARGEST_RIDING = 16 * 1024  # octets, as stored


@dataclass(frozen=True, slots=True)
class Version:
    """What a change must know of the stored parcel without reading it: `Parcel.version`, taken apart."""

    updated: str  # when its document was last written, in RFC 3339
    alone: bool  # it is kept in its submission's document
    ridden: bool  # an attempt rides along already

    def __str__(self) -> str:
        return f"{self.updated}/{self.alone:d}/{self.ridden:d}"

    @classmethod
    def of(cls, parcel: Parcel) -> Version | None:
        """None for a parcel that was never stored."""
        if not parcel.version:
            return None
        updated, alone, ridden = parcel.version.split("/")
        return cls(updated, alone == "1", ridden == "1")


def path(submission: Path, number: int) -> Path:
    """Where a parcel is that has a document of its own."""
    return (*submission, "parcels", str(number))


def fresh(parcel: Parcel) -> Fields:
    """The fields of a parcel that nobody has tried to send yet."""
    return {"parcel": packed(parcel.record()), "token": uuid4().hex, "ridden": False}


def read(document: Document, *, alone: bool) -> Parcel:
    """The parcel in a document, with its version."""
    version = Version(document.updated, alone, document.fields["ridden"])
    return Parcel.from_record(unpacked(document.fields["parcel"]), str(version))


def riding(fields: Mapping[str, Any]) -> Attempt | None:
    """The attempt that rides along."""
    stored = fields.get("attempt")
    return None if stored is None else Attempt.from_record(unpacked(stored))


@dataclass(frozen=True, slots=True)
class Change:
    """The fields that a change writes. `token` tells this write from any other."""

    fields: Fields
    token: str
    ridden: bool
    apart: bytes | None = None  # an attempt that needs a document of its own


def change(parcel: Parcel, attempt: Attempt | None, over: Version) -> Change:
    """What to write for `parcel` over the version `over`."""
    token = uuid4().hex
    fields: Fields = {"parcel": packed(parcel.record()), "token": token}
    if attempt is None:
        return Change(fields, token, over.ridden)
    stored = packed(attempt.record())
    if over.ridden or len(stored) > LARGEST_RIDING:
        return Change(fields, token, over.ridden, stored)
    return Change({**fields, "attempt": stored, "ridden": True}, token, ridden=True)
