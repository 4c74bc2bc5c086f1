"""The directory in Firestore: `directory/{kind}/documents/{key}`, a document each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.documents import Create, Document, Documents, Fields, Path, Put, Refused, Update
from postroom.delivery.record import write_json

_LONGEST = 700  # octets of a key that its document's id can spell out: an id has 1500 octets
_BEGINNING = 600  # octets of a longer one that still decide its place


class FirestoreDirectory:
    """Implements `Directory` over Firestore. Keys are in the order of their UTF-8; no composite index is needed.

    The field `document` should be exempt from the automatic indexes, and `key` may be.
    """

    def __init__(self, clients: Clients) -> None:
        self._documents = Documents(clients)

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None:
        stored = self._documents.get(_path(kind, key))
        return None if stored is None else _read(stored)[1]

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        while True:
            try:
                self._documents.commit(Create(_path(kind, key), _fields(key, document)))
            except Refused:
                stored = self.get(kind, key)
                if stored is not None:
                    return stored
            else:
                return document

    def get_many(self, kind: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        paths = [_path(kind, each) for each in dict.fromkeys(keys)]
        found = self._documents.read(paths) if paths else []
        return dict(_read(each) for each in found if each is not None)

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        path, fields = _path(kind, key), _fields(key, document)
        stored = self._documents.get(path)
        if stored is None or _read(stored)[1] != over:
            return False
        try:
            self._documents.commit(Update(path, fields, stored.updated))
        except Refused:
            # The SDK repeats a commit whose answer was lost, and the repeat finds what the first has left.
            stored = self._documents.get(path)
            return stored is not None and stored.fields["token"] == fields["token"]
        return True

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._documents.commit(Put(_path(kind, key), _fields(key, document)))

    def delete(self, kind: str, key: str) -> bool:
        return self._documents.delete(_path(kind, key))

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        query = self._documents.collection(_path(kind)).order_by("__name__")
        if after:
            query = query.start_after({"__name__": self._documents.reference(_path(kind, after))})
        return [_read(each) for each in self._documents.run(query.limit(limit))]


def _path(kind: str, *key: str) -> Path:
    return ("directory", kind, "documents", *map(_id, key))


def _id(key: str) -> str:
    """The id of the document under `key`: an id can't be empty, hold a slash or be as long as a key."""
    octets = key.encode("utf-8", "surrogatepass")
    if len(octets) <= _LONGEST:
        return f"k{octets.hex()}"
    return f"k{octets[:_BEGINNING].hex()}{sha256(octets).hexdigest()}"


def _fields(key: str, document: Mapping[str, Any]) -> Fields:
    return {"key": write_json(key), "document": write_json(document), "token": uuid4().hex}


def _read(stored: Document) -> tuple[str, Mapping[str, Any]]:
    return json.loads(stored.fields["key"]), json.loads(stored.fields["document"])
