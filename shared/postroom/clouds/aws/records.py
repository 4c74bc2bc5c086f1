"""How records, keys and times are stored in the table."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from postroom.delivery.record import Record, write_json

Item = dict[str, Any]
"""An item as DynamoDB's low-level calls take and give it: {"pk": {"S": "..."}, ...}."""

_PLAIN = re.compile(r"[!-~]{1,200}")


def packed(record: Mapping[str, Any]) -> bytes:
    """A record as it is stored. Items are billed by size, and JSON shrinks to a half or a third."""
    return zlib.compress(write_json(record).encode(), 9)


def unpacked(stored: Mapping[str, bytes]) -> Record:
    """The record that `packed` stored, from its attribute."""
    record: Record = json.loads(zlib.decompress(stored["B"]))
    return record


def sortable(at: datetime) -> str:
    """A time as text that sorts by it, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00")


def key(partition: str, sort: str) -> Item:
    return {"pk": {"S": partition}, "sk": {"S": sort}}


def partition_of(submission: str) -> str | None:
    """The partition that holds all of one submission, or None for an id that no submission can have."""
    return f"submission#{submission}" if _PLAIN.fullmatch(submission) else None
