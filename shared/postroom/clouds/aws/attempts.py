"""Attempts: the first of a parcel rides in the parcel's own item, each other is an item of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from postroom.clouds.aws.records import Item, key, packed, sortable, unpacked
from postroom.clouds.aws.table import Action, Table
from postroom.delivery.attempt import Attempt
from postroom.ports import Cursor, Page, UnknownCursor

RIDES = 16 * 1024
"""Octets up to which a record rides in its parcel's item, which is billed by its whole size at every later change."""

_FIRST, _LAST = "attempt#", "attempt#~"  # around the sort keys of attempts


class Attempts:
    """The attempts in `table`. `submissions` is the start of the sort keys of a submission's own items."""

    def __init__(self, table: Table, submissions: str) -> None:
        self._table = table
        self._submissions = submissions

    def kept(self, partition: str, attempt: Attempt) -> tuple[Item, list[Action]]:
        """The attributes by which an attempt rides in its parcel's item, or the write that gives it its own.

        There is one place in the item, so it is for the attempt of the first claim: attempts that were cut short
        before anything was said don't count, and several of them may bear the number 1.
        """
        record = packed(attempt.record())
        attributes = {"attempt": {"B": record}}
        if attempt.claim == 1 and len(record) <= RIDES:
            return attributes, []
        return {}, [self._table.put(key(partition, _sort(attempt)) | attributes)]

    def page(self, partition: str, cursor: Cursor) -> Page[Attempt]:
        """The attempts of one submission, newest first. Raises `UnknownCursor`."""
        riding = [_attempt(item) for item in self._riding(partition) if "attempt" in item]
        mark = cursor.mark
        beyond = None if mark is None else self._find(partition, mark, riding)
        newer = cursor.newer
        if newer and beyond is not None:
            riding = [attempt for attempt in riding if _sort(attempt) > beyond]
            condition, ends = "BETWEEN :first AND :last", {":first": f"{beyond} ", ":last": _LAST}
        else:
            end = _LAST if beyond is None else beyond
            riding = [attempt for attempt in riding if _sort(attempt) < end]
            condition, ends = "< :last", {":last": end}
        nearest = self._table.query(
            f"pk = :pk AND sk {condition}",
            {":pk": partition, **ends},
            forward=newer,
            page=cursor.limit + 1,
            fields="attempt",
        )
        others = map(_attempt, islice(nearest, cursor.limit + 1))
        every = sorted(chain(riding, others), key=_sort, reverse=not newer)
        return Page.of(cursor, every)

    def _riding(self, partition: str) -> Iterator[Item]:
        condition = "pk = :pk AND begins_with(sk, :start)"
        return self._table.query(condition, {":pk": partition, ":start": self._submissions}, fields="attempt")

    def _find(self, partition: str, id_: str, riding: Sequence[Attempt]) -> str:
        """The sort key of the attempt that a cursor names. Raises `UnknownCursor`."""
        for attempt in riding:
            if attempt.id == id_:
                return _sort(attempt)
        # An index of ids would cost a write for each attempt. A letter has some dozens of them at most, and their keys
        # pass by one page at a time.
        condition = "pk = :pk AND begins_with(sk, :start)"
        for item in self._table.query(condition, {":pk": partition, ":start": _FIRST}, fields="sk"):
            sort: str = item["sk"]["S"]
            if sort.rpartition("#")[2] == id_:
                return sort
        raise UnknownCursor(id_)


def _sort(attempt: Attempt) -> str:
    return f"{_FIRST}{sortable(attempt.started_at)}#{attempt.id}"


def _attempt(item: Item) -> Attempt:
    return Attempt.from_record(unpacked(item["attempt"]))
