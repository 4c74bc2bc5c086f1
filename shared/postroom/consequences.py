"""What follows from how a parcel's recipients ended: for the suppression list, and for those who want to hear of it.

It is read from the settled record, so that whoever comes after a worker that died in between does it. To do it twice
does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from postroom.account.suppression import Origin
from postroom.claims import Claims
from postroom.delivery.actors import Actors, Role
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import REPORTED_UNSIGNED, Recipient
from postroom.delivery.status import Status
from postroom.message.address import Mailbox
from postroom.suppressions import Suppressions


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """Puts on the list who isn't to be written to again, and has webhooks told. Raises `Unavailable`."""

    suppressions: Suppressions
    claims: Claims
    clock: Callable[[], datetime]
    actors: Actors | None = None
    tell: Callable[[Iterable[Parcel]], None] = lambda _: None  # the news of parcels to webhooks

    def __call__(self, parcel: Parcel) -> None:
        """Do what follows from a parcel that isn't claimed."""
        acted = self.actors is not None and self.actors.act(parcel.destination)
        if self.actors is not None and acted:
            parcel = self._complained(parcel, self.actors)
        self.tell([parcel])
        for each in parcel.recipients:
            origin = _origin(each)
            # Whoever acts a bounce was never there: names that were made up for tests don't fill the list.
            if origin is not None and not (acted and origin is Origin.BOUNCE):
                self.suppressions.add_for(Mailbox.parse(each.address), origin, parcel.submission, each.updated_at)

    def _complained(self, parcel: Parcel, actors: Actors) -> Parcel:
        """The parcel after those have complained whose role it is, which they do once they have the letter."""

        def complaining(each: Recipient) -> bool:
            return each.status is Status.DELIVERED and actors.role_of(each.address) is Role.COMPLAINED

        def changed(stored: Parcel) -> Parcel | None:
            if not any(map(complaining, stored.recipients)):
                return None
            now = self.clock()
            moved = (each.moved(Status.COMPLAINED, now) if complaining(each) else each for each in stored.recipients)
            return replace(stored, recipients=tuple(moved))

        if not any(map(complaining, parcel.recipients)):
            return parcel
        return self.claims.report(parcel.submission, parcel.number, changed) or parcel


def _origin(recipient: Recipient) -> Origin | None:
    """What puts a recipient on the list."""
    if recipient.status is Status.COMPLAINED and recipient.cause != REPORTED_UNSIGNED:
        return Origin.COMPLAINT
    return Origin.BOUNCE if recipient.suppress and recipient.status in _BOUNCED else None


_BOUNCED = frozenset({Status.BOUNCED, Status.COMPLAINED})
