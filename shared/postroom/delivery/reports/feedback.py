"""Complaints, and what else recipients let us know, in the Abuse Reporting Format (RFC 5965)."""

from __future__ import annotations

from collections.abc import Iterator

from postroom.delivery.reports.report import Action, Said, addresses_in
from postroom.message.entity import Entity, without_comments

MEDIA_TYPE = "message/feedback-report"

# RFC 5965 §7.3, and the words for unsubscribing that its drafts had and some still say. `not-spam`, `virus`,
# `auth-failure` (RFC 6591) and `other` are no recipient's wish to be left alone.
COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})

_RECIPIENT = ("original-rcpt-to", "removal-recipient")
_OF_MICROSOFT = ("x-hmxmroriginalrecipient",)  # in the header of the letter that comes with it


def said_in(report: Entity, returned: Entity | None) -> tuple[Said, ...]:
    """What the fields of such a part say of each recipient named; of one without an address where they name none."""
    kind = without_comments(report.first("feedback-type")).strip().lower()
    action = Action.COMPLAINED if kind in COMPLAINTS else Action.NOTED
    named = addresses_in(_values(report, returned))
    return tuple(Said(action=action, addresses=(each,)) for each in named) or (Said(action=action, addresses=()),)


def return_paths_in(report: Entity) -> tuple[str, ...]:
    """Whom the letter is said to have come from."""
    return addresses_in(report.values("original-mail-from"))


def _values(report: Entity, returned: Entity | None) -> Iterator[str]:
    for name in _RECIPIENT:
        yield from report.values(name)
    if returned is not None:
        for name in _OF_MICROSOFT:
            yield from returned.values(name)
