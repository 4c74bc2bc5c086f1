"""The directory in DynamoDB: an item a document, a partition a kind."""

from __future__ import annotations

import builtins
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import uuid4

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

    def get_many(self, kind: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        found = self._table.get_many([_key(kind, each) for each in dict.fromkeys(keys)])
        return {json.loads(item["name"]["S"]): _document(item) for item in found}

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        where, token = _key(kind, key), uuid4().hex
        item = self._table.get(where)
        if item is None or _document(item) != over:
            return False
        attributes = {"document": {"S": write_json(document)}, "version": {"S": token}}
        found = self._table.write(self._table.update(where, attributes, version=item["version"]["S"]))
        # Where an answer is lost the SDK repeats the write, and the repeat finds what the write itself has left.
        return found is None or found.get("version", {}).get("S") == token

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._table.write(self._table.put(_item(kind, key, document)))

    def delete(self, kind: str, key: str) -> bool:
        return self._table.delete(_key(kind, key))

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        values = {":pk": _partition(kind), ":after": _sort(after)}
        found = self._table.query("pk = :pk AND sk > :after", values, page=limit)
        return [(json.loads(item["name"]["S"]), _document(item)) for item in islice(found, limit)]


def _item(kind: str, name: str, document: Mapping[str, Any]) -> Item:
    kept = {"name": write_json(name), "document": write_json(document), "version": uuid4().hex}
    return _key(kind, name) | {attribute: {"S": value} for attribute, value in kept.items()}


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
