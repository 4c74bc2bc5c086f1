"""Submissions in the order of their creation: the index `by_creation`, spread over eight stripes.

Keys that only ever grow all land in one partition of an index, which takes 1,000 writes a second; a hash of the id
spreads them over eight. It is eventually consistent: a letter stored this very moment may be missing from a list.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-gsi-sharding.html
"""

from __future__ import annotations

import zlib
from datetime import datetime
from heapq import merge
from itertools import islice

from postroom.at_once import at_once
from postroom.clouds.aws.records import Item, sortable
from postroom.clouds.aws.table import Table
from postroom.ports import Cursor

INDEX = "by_creation"  # of `stripe` and `created`; KEYS_ONLY
STRIPES = 8

_FIRST, _LAST = "0", ":"  # sort before every time, and after


def index_keys(created_at: datetime, id_: str) -> Item:
    """The attributes by which the index knows a submission."""
    stripe = zlib.crc32(id_.encode()) % STRIPES
    return {"stripe": {"S": str(stripe)}, "created": {"S": place(created_at, id_)}}


def place(created_at: datetime, id_: str) -> str:
    """Where a submission lies in the order: by its time, and by its id among those of the same time."""
    return f"{sortable(created_at)}#{id_}"


def id_at(place: str) -> str:
    return place.partition("#")[2]


class Creation:
    """Walks the index of `table`. What it answers are places, the nearest first. Raises `Unavailable`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, cursor: Cursor, mark: str | None, limit: int) -> list[str]:
        """Those that a cursor asks for, whose mark lies there, the nearest to it first."""
        low = _FIRST if cursor.since is None else sortable(cursor.since)
        high = _LAST if cursor.until is None else sortable(cursor.until)
        if mark is not None and cursor.newer:
            low = max(low, _behind(mark))
        elif mark is not None:
            high = min(high, mark)
        return self._nearest(low, high, limit, forward=cursor.newer, without=mark)

    def since(self, mark: str | None, until: datetime, limit: int) -> list[str]:
        """Those after `mark` and before `until`."""
        return self._nearest(_FIRST if mark is None else _behind(mark), sortable(until), limit)

    def _nearest(
        self, low: str, high: str, limit: int, *, forward: bool = True, without: str | None = None
    ) -> list[str]:
        """Those between, with both ends, as BETWEEN has it; a bare time sorts before every place of that time."""
        if low > high:
            return []

        def stripe(number: int) -> list[str]:
            found = self._table.query(
                "stripe = :stripe AND created BETWEEN :low AND :high",
                {":stripe": str(number), ":low": low, ":high": high},
                index=INDEX,
                forward=forward,
                page=limit,
                fields="created",
            )
            places = (item["created"]["S"] for item in found)
            return list(islice((each for each in places if each != without), limit))

        return list(islice(merge(*at_once(stripe, range(STRIPES)), reverse=not forward), limit))


def _behind(place: str) -> str:
    """The first that comes after it: a space sorts before all that an id may hold, so nothing lies in between."""
    return f"{place} "
