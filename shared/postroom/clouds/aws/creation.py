"""Submissions in the order of their creation: the index `by_creation`, spread over eight stripes.

Keys that only ever grow all land in one partition of an index, which takes 1,000 writes a second; a hash of the id
spreads them over eight. It is eventually consistent: a letter stored this very moment may be missing from a list.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-indexes-gsi-sharding.html
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from heapq import merge
from itertools import islice

from postroom.clouds.aws.records import Item, sortable
from postroom.clouds.aws.table import Table

INDEX = "by_creation"  # of `stripe` and `created`; KEYS_ONLY
STRIPES = 8

_FIRST = "0"  # sorts before every time


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

    def older(self, than: str | None, limit: int) -> list[str]:
        if than is None:
            return self._nearest("", {}, limit, forward=False)
        return self._nearest(" AND created < :mark", {":mark": than}, limit, forward=False)

    def newer(self, than: str, limit: int) -> list[str]:
        return self._nearest(" AND created > :mark", {":mark": than}, limit)

    def since(self, mark: str | None, until: datetime, limit: int) -> list[str]:
        """Those after `mark` and before `until`."""
        # Both ends of BETWEEN belong to it. A space sorts before all that an id may hold, so no place lies between
        # the mark and the mark with a space; and a bare time sorts before every place of that time.
        ends = {":first": _FIRST if mark is None else f"{mark} ", ":last": sortable(until)}
        if ends[":first"] > ends[":last"]:
            return []
        return self._nearest(" AND created BETWEEN :first AND :last", ends, limit)

    def _nearest(self, condition: str, values: Mapping[str, str], limit: int, *, forward: bool = True) -> list[str]:
        def stripe(number: int) -> list[str]:
            found = self._table.query(
                f"stripe = :stripe{condition}",
                {":stripe": str(number), **values},
                index=INDEX,
                forward=forward,
                page=limit,
                fields="created",
            )
            return [item["created"]["S"] for item in islice(found, limit)]

        with ThreadPoolExecutor(STRIPES) as pool:
            stripes = list(pool.map(stripe, range(STRIPES)))
        return list(islice(merge(*stripes, reverse=not forward), limit))
