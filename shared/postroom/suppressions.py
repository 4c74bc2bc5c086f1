"""The suppression list: the addresses that no letter is sent to.

An address is on it once, under its look-up key, and stays there for what brought it there first. Taking it off is
remembered by its moment, so that nothing that was said before puts it back: a task that the queue delivers twice, say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.account.suppression import Origin, Suppression
from postroom.at_once import at_once
from postroom.catalog import Catalog, newest_first
from postroom.message.address import Mailbox
from postroom.ports import Cursor, Directory, Page

KIND = "suppression"

_LIFTED = "suppression_lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressions:
    """The list over a directory. All raise `Unavailable`."""

    directory: Directory
    clock: Callable[[], datetime]
    randomness: Callable[[int], bytes]
    told: Callable[[str, Suppression, datetime], None] = lambda *_: None  # a type of event, about whom, and since when

    def add(self, mailbox: Mailbox) -> Suppression:
        """Put an address on the list by hand. The entry that is there, also where it was there before."""
        return self._add(mailbox.key, Origin.MANUAL, None)

    def add_many(self, mailboxes: Iterable[Mailbox]) -> list[Suppression]:
        """`add` for each address, once, in the order in which they are given."""
        return at_once(lambda key: self._add(key, Origin.MANUAL, None), dict.fromkeys(each.key for each in mailboxes))

    def add_for(self, mailbox: Mailbox, origin: Origin, source_id: str, said_at: datetime) -> None:
        """Put an address on the list for what was said of it at `said_at`, unless it was taken off since."""
        lifted = self.directory.get(_LIFTED, mailbox.key)
        if lifted is None or datetime.fromisoformat(lifted["at"]) < said_at:
            self._add(mailbox.key, origin, source_id)

    def among(self, keys: Sequence[str]) -> Mapping[str, Suppression]:
        """Those of the look-up keys that are on the list.

        Nothing of it is remembered: letters go to ever other people, so a memory would save no read, and what is put
        on the list or taken off it counts at once.
        """
        found = self.directory.get_many(KIND, keys) if keys else {}
        return {key: Suppression.from_record(document) for key, document in found.items()}

    def by_id(self, id_: str) -> Suppression | None:
        found = self._all.by_id(id_)
        return None if found is None else Suppression.from_record(found[1])

    def by_address(self, mailbox: Mailbox) -> Suppression | None:
        return self.among([mailbox.key]).get(mailbox.key)

    def page(self, cursor: Cursor, origin: Origin | None = None) -> Page[Suppression]:
        """The list, or the part of it that has this origin, newest first. Raises `UnknownCursor`."""
        page = (self._all if origin is None else self._of(origin)).page(cursor)
        return Page(tuple(map(Suppression.from_record, page.items)), page.has_more)

    def remove(self, found: Suppression) -> None:
        """Take an address off the list."""
        self.directory.put(_LIFTED, found.email, {"at": self.clock().isoformat()})
        # What lists it goes before what is in force, so that a repeat after a crash still finds it.
        self.directory.delete(self._of(found.origin).index, found.id)
        self._all.remove(found.email)
        self.told("suppression.removed", found, self.clock())

    def remove_by_ids(self, ids: Iterable[str]) -> list[Suppression]:
        """Take those off the list that are on it; they are returned."""
        found = at_once(self.by_id, dict.fromkeys(ids))
        return self._remove_all(each for each in found if each is not None)

    def remove_by_addresses(self, mailboxes: Iterable[Mailbox]) -> list[Suppression]:
        """Take those off the list that are on it; they are returned."""
        return self._remove_all(self.among(list(dict.fromkeys(each.key for each in mailboxes))).values())

    def _remove_all(self, found: Iterable[Suppression]) -> list[Suppression]:
        there = list(found)
        at_once(self.remove, there)
        return there

    def _add(self, key: str, origin: Origin, source_id: str | None) -> Suppression:
        now = self.clock()
        id_ = newest_first(now, self.randomness)
        made = Suppression(id=id_, email=key, origin=origin, source_id=source_id, created_at=now)
        stored = Suppression.from_record(self._all.add(key, made.record()))
        self.directory.put(self._of(stored.origin).index, stored.id, {"name": key})
        # Also what the same letter has put there before: whoever did may have died here.
        if stored.id == id_ or (source_id is not None and stored.source_id == source_id):
            self.told("suppression.added", stored, stored.created_at)
        return stored

    @property
    def _all(self) -> Catalog:
        return Catalog(self.directory, KIND)

    def _of(self, origin: Origin) -> Catalog:
        """Those of one origin have an index of their own: a list of the few complaints must not walk all bounces."""
        return replace(self._all, part=str(origin))
