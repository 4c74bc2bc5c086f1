"""The directory in DynamoDB: an item a document, a partition a kind."""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.records import Item, key
from postroom.clouds.aws.table import Table
from postroom.delivery.record import write_json

_LONGEST = 900  # octets of a key that are its sort key; DynamoDB takes 1,024


class DynamoDirectory:
    """Implements `Directory` over the table `table`. Reads are strongly consistent."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._table = Table(clients, table)

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        item = self._table.get(_key(kind, key))
        return None if item is None else _document(item)

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        item = _item(kind, key, document)
        while True:
            found = self._table.write(self._table.put(item, absent=True))
            if found is None:
                return _document(item)
            if found:
                return _document(found)

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._table.write(self._table.put(_item(kind, key, document)))

    def delete(self, kind: str, key: str) -> bool:
        return self._table.delete(_key(kind, key))

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        values = {":pk": _partition(kind), ":after": _sort(after)}
        found = self._table.query("pk = :pk AND sk > :after", values, page=limit)
        return [(json.loads(item["name"]["S"]), _document(item)) for item in islice(found, limit)]


def _item(kind: str, name: str, document: Mapping[str, Any]) -> Item:
    return _key(kind, name) | {"name": {"S": write_json(name)}, "document": {"S": write_json(document)}}


def _document(item: Item) -> Mapping[str, Any]:
    document: builtins.dict[str, Any] = json.loads(item["document"]["S"])
    return document


def _key(kind: str, name: str) -> Item:
    return key(_partition(kind), _sort(name))


def _partition(kind: str) -> str:
    return f"directory#{kind}"


def _sort(name: str) -> str:
    """The sort key, which DynamoDB orders by its octets, as Python orders texts by their characters.

    A name that is too long, or that isn't UTF-8, lies where its beginning does; its digest tells it from others.
    """
    octets = name.encode("utf-8", "replace")
    cut = octets[:_LONGEST].decode("utf-8", "ignore")
    if cut == name:
        return f"={name}"  # a sort key is never empty
    return f"={cut}\0{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
