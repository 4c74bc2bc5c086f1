"""Keeping templates: the use case of `/templates`, and where the sending of letters finds what is published.

A version is stored before the head that names it, and an alias before the template that has it, so a crash in between
leaves what nobody finds and the repeat overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from postroom.account.template import Template, Version
from postroom.catalog import Catalog, newest_first
from postroom.delivery.record import uuid8
from postroom.ports import Cursor, Directory, Page, Unavailable

KIND = "template"
VERSION, ALIAS = "template_version", "template_alias"

_MOST_EARLIER = 10  # versions that were published and are kept: processes may still remember the head that names them
_TRIES = 5  # at a change that others keep getting in the way of


class UnknownTemplate(LookupError):
    """There is no template with this id or alias."""


class AliasTaken(ValueError):
    """Another template has this alias."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The templates of a deployment over directories. All raise `Unavailable`."""

    directory: Directory  # the heads and the aliases
    versions: Directory  # which never change, so that nothing is gained by a memory that may be of any size
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]

    def create(self, name: str, alias: str | None, version: Version) -> Template:
        """Raises `AliasTaken` or `TooLarge`."""
        now = self.clock()
        id_ = newest_first(now, self.randomness)
        record = version.record()
        if alias is not None:
            self._claim(alias, id_)
        made = Template(id=id_, name=name, alias=alias, created_at=now, updated_at=now, current=self._stored(record))
        self._catalog.add(id_, made.record())
        if alias is not None and not self._holds(alias, id_):
            self.remove(id_)
            raise AliasTaken(alias)
        return made

    def get(self, id_or_alias: str) -> tuple[Template, Version]:
        """With its newest version. Raises `UnknownTemplate`."""
        for _ in range(_TRIES):
            head = self.head(id_or_alias)
            version = self.version(head.current)
            if version is not None:
                return head, version
            # It was edited in between.
        raise Unavailable(f"the template {id_or_alias} is being changed all the time")

    def head(self, id_or_alias: str) -> Template:
        """Raises `UnknownTemplate`."""
        return self._head(id_or_alias)[1]

    def version(self, id_: str) -> Version | None:
        stored = self.versions.get(VERSION, id_)
        return None if stored is None else Version.from_record(stored)

    def page(self, cursor: Cursor) -> Page[Template]:
        """Newest first. Raises `UnknownCursor`."""
        page = self._catalog.page(cursor)
        return Page(tuple(map(Template.from_record, page.items)), page.has_more)

    def edit(
        self,
        id_or_alias: str,
        change: Callable[[Version, datetime], Version],
        names: Mapping[str, Any],
    ) -> Template:
        """Give it another newest version, and a `name` and an `alias` where `names` has them.

        Raises `UnknownTemplate`, `AliasTaken` or `TooLarge`, and whatever `change` does, which may be called several
        times.
        """
        for _ in range(_TRIES):
            document, head = self._head(id_or_alias)
            before = self.version(head.current)
            if before is None:
                continue
            now = self.clock()
            after = change(before, now)
            record = after.record()
            alias = names.get("alias", head.alias)
            if alias is not None and alias != head.alias:
                self._claim(alias, head.id)
            current = head.current if after == before else self._stored(record)
            changed = replace(head, name=names.get("name", head.name), alias=alias, updated_at=now, current=current)
            if self.directory.replace(KIND, head.id, changed.record(), document):
                if alias is not None and alias != head.alias and not self._holds(alias, head.id):
                    self.directory.replace(KIND, head.id, {**changed.record(), "alias": head.alias}, changed.record())
                    raise AliasTaken(alias)
                self._let_go(head, changed)
                return changed
            if current != head.current:
                self.versions.delete(VERSION, current)
        raise Unavailable(f"the template {id_or_alias} is being changed all the time")

    def publish(self, id_or_alias: str) -> Template:
        """Make letters of its newest version from now on. Raises `UnknownTemplate`."""
        for _ in range(_TRIES):
            document, head = self._head(id_or_alias)
            earlier = [each for each in (*head.earlier, head.published) if each is not None and each != head.current]
            published = replace(
                head, published=head.current, published_at=self.clock(), earlier=tuple(earlier[-_MOST_EARLIER:])
            )
            if self.directory.replace(KIND, head.id, published.record(), document):
                self._let_go(head, published)
                return published
        raise Unavailable(f"the template {id_or_alias} is being changed all the time")

    def duplicate(self, id_or_alias: str) -> Template:
        """A draft of the same, without an alias. Raises `UnknownTemplate`."""
        head, version = self.get(id_or_alias)
        return self.create(f"{head.name} (copy)"[-100:], None, version)

    def remove(self, id_or_alias: str) -> Template:
        """Letters that are accepted go as they are. Raises `UnknownTemplate`."""
        head = self.head(id_or_alias)
        self._catalog.remove(head.id)
        self._let_go(head, None)
        return head

    @property
    def _catalog(self) -> Catalog:
        return Catalog(self.directory, KIND)

    def _head(self, id_or_alias: str) -> tuple[Mapping[str, Any], Template]:
        document = self.directory.get(KIND, id_or_alias)
        if document is None:
            alias = self.directory.get(ALIAS, id_or_alias)
            document = None if alias is None else self.directory.get(KIND, alias["id"])
            if document is None or document["alias"] != id_or_alias:
                raise UnknownTemplate(id_or_alias)
        return document, Template.from_record(document)

    def _stored(self, record: Mapping[str, Any]) -> str:
        """The id of a version that is stored now."""
        id_ = uuid8(self.randomness(16))
        self.versions.put(VERSION, id_, record)
        return id_

    def _claim(self, alias: str, id_: str) -> None:
        """Raises `AliasTaken`."""
        claim = {"id": id_}
        stored = self.directory.create(ALIAS, alias, claim)
        if stored["id"] == id_:
            return
        # Whoever claimed it without taking it died, or was refused; or he is about to, and looks again afterwards.
        if self._taken(alias, stored["id"]) or not self.directory.replace(ALIAS, alias, claim, stored):
            raise AliasTaken(alias)
        if self._taken(alias, stored["id"]):
            self.directory.replace(ALIAS, alias, stored, claim)
            raise AliasTaken(alias)

    def _taken(self, alias: str, id_: str) -> bool:
        """Whether the template has the alias by now."""
        holder = self.directory.get(KIND, id_)
        return holder is not None and holder["alias"] == alias

    def _holds(self, alias: str, id_: str) -> bool:
        """Whether a claim still stands: until its template has the alias, somebody else may take it over."""
        claim = self.directory.get(ALIAS, alias)
        return claim is not None and claim["id"] == id_

    def _let_go(self, before: Template, after: Template | None) -> None:
        """Delete what the head named before and names no more."""
        for version in before.versions:
            if after is None or version not in after.versions:
                self.versions.delete(VERSION, version)
        alias = before.alias
        if alias is not None and (after is None or after.alias != alias) and self._holds(alias, before.id):
            self.directory.delete(ALIAS, alias)
