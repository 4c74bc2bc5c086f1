"""Documents that have a name of their own and are listed by their ids, newest first: domains, API keys, suppressions.

A document lies under its name in its kind, which is what the sending of letters looks up. In the kind's index its id
leads to the name. Ids are made so that the newest sorts first. What is in the index alone isn't there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.delivery import record
from postroom.ports import Cursor, Directory, Page, UnknownCursor

Document = Mapping[str, Any]

_READ = 100  # documents in one read


def newest_first(at: datetime, randomness: Callable[[int], bytes]) -> str:
    """A UUIDv8 that sorts before those of earlier milliseconds."""
    return record.newest_first(at, randomness(10))


def every(directory: Directory, kind: str) -> Iterator[tuple[str, Document]]:
    """The documents of a kind with their keys, in the order of these; read as they are asked for."""
    after = ""
    while page := directory.list(kind, after):
        yield from page
        after = page[-1][0]


@dataclass(frozen=True, slots=True)
class Catalog:
    """The documents of one kind. Each holds its `id`, which never changes."""

    directory: Directory
    kind: str
    part: str = ""  # the name of a part of the documents, which has an index of its own

    def add(self, name: str, document: Document) -> Document:
        """Store the document unless the name is taken. What is stored under it either way."""
        stored = self.directory.create(self.kind, name, document)
        # Also for what was there: whoever stored it may have died here.
        self.enter(name, stored)
        return stored

    def enter(self, name: str, stored: Document) -> None:
        """Have a document listed that was stored before there was a list."""
        self.directory.put(self.index, stored["id"], {"name": name})

    def list_those_of_old(self, wanted: Callable[[Document], bool] = lambda _: True) -> None:
        """Enter what was stored before there was an index: once, since what came later is all in it."""
        if self.directory.get("deployment", self._listed) is None:
            for name, document in every(self.directory, self.kind):
                if wanted(document):
                    self.enter(name, document)
            self.directory.put("deployment", self._listed, {})

    @property
    def _listed(self) -> str:
        return f"{self.kind}s_listed"

    def get(self, name: str) -> Document | None:
        return self.directory.get(self.kind, name)

    def by_id(self, id_: str) -> tuple[str, Document] | None:
        """The name and the document."""
        entry = self.directory.get(self.index, id_)
        if entry is None:
            return None
        document = self.directory.get(self.kind, entry["name"])
        return None if document is None or document["id"] != id_ else (entry["name"], document)

    def remove(self, name: str) -> Document | None:
        """The document that was there. Two who remove it at once may both be told of it."""
        document = self.directory.get(self.kind, name)
        if document is None:
            return None
        # In this order a crash leaves what is in force but not listed, and the repeat finds it by its name.
        self.directory.delete(self.index, document["id"])
        self.directory.delete(self.kind, name)
        return document

    def unlist(self, id_: str) -> None:
        """Leave the id out of the index. The document, if there is one, stays under its name."""
        self.directory.delete(self.index, id_)

    def page(self, cursor: Cursor, wanted: Callable[[Document], bool] = lambda _: True) -> Page[Document]:
        """Those that are wanted, newest first. Raises `UnknownCursor`."""
        if cursor.mark is not None and self.directory.get(self.index, cursor.mark) is None:
            raise UnknownCursor(cursor.mark)
        if cursor.newer:
            # The index is read from its start only, so those that are newer are the last before the mark.
            until = filter(wanted, self._documents("", cursor.mark))
            return Page.of(cursor, list(until)[::-1])
        found: list[Document] = []
        for document in filter(wanted, self._documents(cursor.after or "")):
            found.append(document)
            if len(found) > cursor.limit:
                break
        return Page.of(cursor, found)

    @property
    def index(self) -> str:
        """The kind of the documents that lead from ids to names."""
        return f"{self.kind}_{self.part}_id" if self.part else f"{self.kind}_id"

    def _documents(self, after: str, before: str | None = None) -> Iterator[Document]:
        """By their ids, from the newest on."""
        while entries := self.directory.list(self.index, after, _READ):
            names = {id_: entry["name"] for id_, entry in entries if before is None or id_ < before}
            found = self.directory.get_many(self.kind, list(names.values()))
            for id_, name in names.items():
                if name in found and found[name]["id"] == id_:
                    yield found[name]
            if len(names) < len(entries):
                return
            after = entries[-1][0]
