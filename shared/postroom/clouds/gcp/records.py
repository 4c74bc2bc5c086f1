"""The stored form of records in Firestore: compact JSON in ASCII, deflated.

Firestore's own strings can't hold every text: they refuse half of a surrogate pair.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from postroom.delivery.record import Record, write_json

_LEVEL = 1  # what is stored is small, and the highest level takes several times as long for a tenth less


def packed(record: Record) -> bytes:
    return zlib.compress(write_json(record).encode("ascii"), _LEVEL)


def unpacked(stored: bytes) -> Record:
    record: Record = json.loads(zlib.decompress(stored))
    return record


def deflated(octets: bytes) -> tuple[bytes, bool]:
    """The shorter of the octets as they are and as deflated, and whether it is the second."""
    smaller = zlib.compress(octets, _LEVEL)
    return (smaller, True) if len(smaller) < len(octets) else (octets, False)


def inflated(stored: bytes, was_deflated: Any) -> bytes:
    """The inverse of `deflated`."""
    return zlib.decompress(stored) if was_deflated else stored
