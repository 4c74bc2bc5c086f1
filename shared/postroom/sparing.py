"""Whom no letter is sent to: who is on the suppression list, whom the settings rule out, and who acts as if he were.

The settings are asked when a letter is accepted, so that a letter for nobody costs no task, and again with the list at
every claim. The list is asked there alone: a claim comes right before the letter goes, however long it was scheduled
or deferred for, and asking twice would cost every healthy letter a second read to spare the rare suppressed one a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.account.suppression import Origin
from postroom.delivery.actors import Actors, Role
from postroom.delivery.only_to import OnlyTo
from postroom.delivery.parcel import Parcel
from postroom.delivery.status import OPEN, Status
from postroom.message.address import Mailbox
from postroom.suppressions import Suppressions


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparing:
    """Moves those of a parcel that no letter is sent to to `suppressed`; their `cause` says why."""

    suppressions: Suppressions
    only_to: OnlyTo | None = None
    actors: Actors | None = None

    def by_settings(self, parcel: Parcel, now: datetime) -> Parcel:
        """The parcel as the settings alone leave it."""
        if self.only_to is None and self.actors is None:
            return parcel
        return _spared(parcel, now, self._ruled_out(parcel, _waiting(parcel)))

    def __call__(self, parcel: Parcel, now: datetime) -> Parcel:
        """The parcel as the settings and the list leave it. Raises `Unavailable`."""
        waiting = _waiting(parcel)
        causes = self._ruled_out(parcel, waiting)
        keys = {address: mailbox.key for address, mailbox in waiting.items() if address not in causes}
        listed = self.suppressions.among(list(keys.values()))
        for address, key in keys.items():
            entry = listed.get(key)
            # What actors have acted out is held against none of them: they are to do it again in the next test.
            if entry is not None and (entry.origin is Origin.MANUAL or not self._is_acted(parcel)):
                causes[address] = str(entry.origin)
        return _spared(parcel, now, causes)

    def _ruled_out(self, parcel: Parcel, waiting: Mapping[str, Mailbox]) -> dict[str, str]:
        """The causes, by the addresses of those whom the settings rule out."""
        if self.actors is not None and self._is_acted(parcel):
            suppressed = [each for each in waiting if self.actors.role_of(each) is Role.SUPPRESSED]
            return dict.fromkeys(suppressed, "test_recipient")
        if self.only_to is None:
            return {}
        return {address: "only_to" for address, mailbox in waiting.items() if not self.only_to.allows(mailbox)}

    def _is_acted(self, parcel: Parcel) -> bool:
        """Whether nothing of it leaves."""
        return self.actors is not None and self.actors.act(parcel.destination)


def _waiting(parcel: Parcel) -> dict[str, Mailbox]:
    """Those that a letter may still be sent to: also whose turn it isn't yet, since it may be in a moment."""
    return {each.address: Mailbox.parse(each.address) for each in parcel.recipients if each.status in OPEN}


def _spared(parcel: Parcel, now: datetime, causes: Mapping[str, str]) -> Parcel:
    if not causes:
        return parcel
    spared = parcel.with_open(
        lambda each: (
            each.moved(Status.SUPPRESSED, now, cause=causes[each.address], next_attempt_at=None)
            if each.address in causes
            else each
        )
    )
    return spared if spared.open else replace(spared, next_attempt_at=None)
