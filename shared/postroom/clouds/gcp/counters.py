"""Counters in Firestore: a document for each name, which counts in place."""

from __future__ import annotations

from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.documents import Create, Documents, Path, Refused, Update
from postroom.ports import CLOCKS_DIFFER, Unavailable

_TRIES = 5  # at a document that others have moved on between two calls


class FirestoreCounters:
    """Implements `Counters` over Firestore: a read and a write each.

    Whoever begins a stretch writes over the version that he has read. All others add to what is there, which is never
    refused, so they don't get in each other's way: where a newer stretch has begun since, they count there.
    """

    def __init__(self, clients: Clients) -> None:
        self._documents = Documents(clients)

    def add(self, name: str, stretch: int, number: int) -> int:
        path: Path = ("counters", f"k{name.encode().hex()}")
        for _ in range(_TRIES):
            stored = self._documents.get(path)
            if stored is not None and stretch <= stored.fields["stretch"] <= stretch + CLOCKS_DIFFER:
                counted = self._documents.increase(path, "counted", number)
                if counted is not None:
                    return counted
                continue
            fields = {"stretch": stretch, "counted": number}
            try:
                self._documents.commit(Create(path, fields) if stored is None else Update(path, fields, stored.updated))
            except Refused:
                continue
            return number
        raise Unavailable(f"{name} could not be counted: others kept getting in the way")
