"""The sending domains of a deployment as they are stored: a document a domain, under its name.

Every change is made over what was read, so of two at once none undoes the other's. The document of a domain that is
deleted stays, with the keys that letters under way are franked with, until no letter can need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from postroom.account.domain import SendingDomain
from postroom.catalog import Catalog, every
from postroom.ports import Cursor, Directory, Page

KIND = "domain"

Stored = Mapping[str, Any]


class UnknownDomain(LookupError):
    """There is no sending domain with this id or name."""


def all_domains(directory: Directory) -> Iterator[SendingDomain]:
    """In the order of their names."""
    return (SendingDomain.from_record(document) for _, document in every(directory, KIND) if _lives(document))


@dataclass(frozen=True, slots=True)
class DomainRegister:
    directory: Directory
    clock: Callable[[], datetime]
    kept_for: timedelta  # a key that signs no more, for the letters that are franked with it
    # A type of event, the domain as it is then, and as it was before.
    told: Callable[[str, SendingDomain, SendingDomain], None] = lambda *_: None

    def get(self, id_: str) -> SendingDomain:
        """Raises `UnknownDomain`."""
        return self._found(id_)[1]

    def has(self, id_: str) -> bool:
        try:
            return bool(self.get(id_))
        except UnknownDomain:
            return False

    def named(self, name: str) -> SendingDomain | None:
        document = self._catalog.get(name)
        if document is None or not _lives(document):
            return None
        # Whoever stored it may have died before it was listed.
        self._catalog.enter(name, document)
        return SendingDomain.from_record(document)

    def page(self, cursor: Cursor) -> Page[SendingDomain]:
        """Newest first. Raises `UnknownCursor`."""
        self._catalog.list_those_of_old(_lives)
        page = self._catalog.page(cursor, _lives)
        return Page(tuple(map(SendingDomain.from_record, page.items)), page.has_more)

    def add(self, made: SendingDomain) -> SendingDomain | None:
        """Store the domain where there is none of its name: as it is then, or None where there is one."""
        while True:
            stored = self._catalog.add(made.name, made.record())
            if stored["id"] == made.id:
                self.told("domain.created", made, made)
                return made
            if _lives(stored):
                return None
            before = SendingDomain.from_record(stored)
            after = before.without_old_keys(self.clock(), self.kept_for).succeeded_by(made)
            if self.directory.replace(KIND, made.name, after.record(), stored):
                self._catalog.enter(made.name, after.record())
                self._catalog.unlist(before.id)
                self.told("domain.created", after, after)
                return after

    def change(self, id_: str, change: Callable[[SendingDomain], SendingDomain]) -> SendingDomain:
        """The domain as it is stored once `change`, which may be called several times, was made to it.

        Raises `UnknownDomain`.
        """
        before, after = self._change(id_, change)
        if after != before:
            self.told("domain.updated", after, before)
        return after

    def remove(self, id_: str) -> None:
        """Raises `UnknownDomain`."""
        before, after = self._change(id_, lambda domain: domain.deleted(self.clock()))
        self._catalog.unlist(id_)
        self.told("domain.deleted", after, before)
        self._forget_old_keys()

    def _change(
        self, id_: str, change: Callable[[SendingDomain], SendingDomain]
    ) -> tuple[SendingDomain, SendingDomain]:
        """The domain before and after."""
        while True:
            document, before = self._found(id_)
            after = change(before).without_old_keys(self.clock(), self.kept_for)
            if self.directory.replace(KIND, before.name, after.record(), document):
                return before, after

    @property
    def _catalog(self) -> Catalog:
        return Catalog(self.directory, KIND)

    def _found(self, id_: str) -> tuple[Stored, SendingDomain]:
        self._catalog.list_those_of_old(_lives)
        found = self._catalog.by_id(id_)
        if found is None or not _lives(found[1]):
            raise UnknownDomain(id_)
        return found[1], SendingDomain.from_record(found[1])

    def _forget_old_keys(self) -> None:
        """Of the domains that were deleted so long ago that no letter can need their keys."""
        for name, document in every(self.directory, KIND):
            if not _lives(document) and document["keys"]:
                after = SendingDomain.from_record(document).without_old_keys(self.clock(), self.kept_for)
                if not after.keys:
                    self.directory.replace(KIND, name, after.record(), document)


def _lives(document: Stored) -> bool:
    return document.get("deleted_at") is None
