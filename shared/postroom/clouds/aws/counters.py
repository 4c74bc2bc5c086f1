"""Counters in DynamoDB: an item for each name, which counts in place."""

from __future__ import annotations

from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.records import key
from postroom.clouds.aws.table import Table
from postroom.ports import CLOCKS_DIFFER, Unavailable

_TRIES = 5  # at an item that others have moved on between two calls


class DynamoCounters:
    """Implements `Counters` over the table `table`: one write each, two where a stretch begins."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._table = Table(clients, table)

    def add(self, name: str, stretch: int, number: int) -> int:
        item = key(f"count#{name}", "=")
        values = {":from": stretch, ":to": stretch + CLOCKS_DIFFER, ":number": number}
        for _ in range(_TRIES):
            counted = self._table.count(
                item, "ADD counted :number", "stretch BETWEEN :from AND :to", values
            ) or self._table.count(
                item,
                "SET stretch = :from, counted = :number",
                "attribute_not_exists(pk) OR stretch < :from OR stretch > :to",
                values,
            )
            if counted is not None:
                return counted
        raise Unavailable(f"{name} could not be counted: others kept getting in the way")
