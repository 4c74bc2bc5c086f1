"""From the octets of a message to the report that it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postroom.delivery.reports import feedback, notification, qsbmf
from postroom.delivery.reports.report import Kind, Report, Said, addresses_in
from postroom.message.entity import Entity

LOOKED_AT = 4 * 1024 * 1024  # octets; what a report says comes before the letter that it returns
MOST_IDS = 5

_RETURNED = frozenset(
    {"message/rfc822", "message/global", "message/global-headers", "message/rfc822-headers", "text/rfc822-headers"}
)
_CAME_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")
_ANSWERS = ("in-reply-to", "references")


class NoMessage(ValueError):
    """The octets are no message at all; str() says why."""


def read_report(octets: bytes) -> Report | None:
    """The report; None where the message isn't any that we know. Raises `NoMessage`."""
    message = Entity.read(octets[:LOOKED_AT].lstrip(b"\r\n"))
    if not message.fields:
        raise NoMessage("it doesn't begin with the header of a message")
    leaves = list(message.leaves())
    returned = next((_letter(each) for each in leaves if each.media_type in _RETURNED), None)
    came_to = [value for name in _CAME_TO for value in message.values(name)]
    for leaf in leaves:
        if leaf.media_type in notification.MEDIA_TYPES:
            said = notification.said_in(leaf)
            return _report(Kind.DELIVERY, said, message, returned, addresses_in(came_to))
        if leaf.media_type == feedback.MEDIA_TYPE:
            report = Entity.read(leaf.content)
            return_paths = (*addresses_in(came_to), *feedback.return_paths_in(report))
            return _report(Kind.FEEDBACK, feedback.said_in(report, returned), message, returned, return_paths)
    for leaf in leaves[:1]:
        bounce = qsbmf.read(leaf.text) if leaf.media_type == "text/plain" else None
        if bounce is not None:
            return _report(Kind.DELIVERY, bounce[0], message, bounce[1], addresses_in(came_to))
    return None


def _letter(part: Entity) -> Entity:
    """The letter that a part encloses, or what there is of its header: perhaps in the part's own."""
    letter = Entity.read(part.content)
    return Entity((*letter.fields, *part.fields), b"")


def _report(
    kind: Kind, said: tuple[Said, ...], message: Entity, returned: Entity | None, came_to: tuple[str, ...]
) -> Report:
    came_from = () if returned is None else addresses_in(returned.values("return-path"))
    return Report(
        kind=kind,
        said=said,
        return_paths=tuple(dict.fromkeys((*came_to, *came_from))),
        message_ids=tuple(dict.fromkeys(_message_ids(message, returned)))[:MOST_IDS],
    )


def _message_ids(message: Entity, returned: Entity | None) -> Iterator[str]:
    """Those of the letter: its own, and what the report says that it answers."""
    values: Iterable[str] = () if returned is None else returned.values("message-id")
    for value in (*values, *(each for name in _ANSWERS for each in message.values(name))):
        yield from (f"<{each}>" for each in addresses_in([value]))
