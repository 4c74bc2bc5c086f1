"""The stored form of records: what `json` can write, the same in every home."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NewType
from uuid import UUID

SubmissionId = NewType("SubmissionId", str)

Record = dict[str, Any]
"""A record in its stored form."""


write_json = json.JSONEncoder(separators=(",", ":")).encode
"""Compact JSON in ASCII: the clouds' own strings can't hold half of a surrogate pair."""


def plain(value: Any) -> Any:
    """A value as it is stored."""
    return value.isoformat() if isinstance(value, datetime) else value


def times(fields: Record, *names: str) -> Record:
    """`fields` with those of `names` that are stored times read back."""
    for name in names:
        if isinstance(fields.get(name), str):
            fields[name] = datetime.fromisoformat(fields[name])
    return fields


def shown(at: datetime) -> str:
    """ISO 8601 in milliseconds and UTC, the form that every client's parser takes."""
    # Clients of some languages know no offset but `Z`.
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECONDS = 2**48  # that such an id has room for


def microseconds(at: datetime) -> int:
    """A time as a whole number, from 1970 on."""
    return (at - EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    """The inverse of `microseconds`."""
    return EPOCH + number * _MICROSECOND


def newest_first(at: datetime, rest: bytes) -> str:
    """A UUIDv8 that sorts before those of earlier milliseconds; `rest` are ten octets that tell it from others."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1)
    return uuid8((_MILLISECONDS - 1 - milliseconds).to_bytes(6, "big") + rest)


def uuid8(digest: bytes) -> str:
    """A UUID of version 8 (RFC 9562 §5.8) from the first 16 of at least 16 octets."""
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=number))
