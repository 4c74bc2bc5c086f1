"""Delivery status notifications (RFC 3464), with addresses in any script (RFC 6533)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from postroom.delivery.reports.report import MOST_RECIPIENTS, Action, Said
from postroom.message.entity import Entity, read_fields, without_comments

MEDIA_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})

MOST_OCTETS = 256 * 1024  # of what tells of them

Group = Mapping[str, str]

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b", re.ASCII)
_XTEXT = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461 §4
_UNITEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")  # RFC 6533 §3
_NAMES = ("original-recipient", "final-recipient")
_BY_CLASS = {"5": Action.FAILED, "4": Action.DELAYED, "2": Action.DELIVERED}  # RFC 3463 §3.1
_ACTIONS = frozenset({Action.FAILED, Action.DELAYED, Action.DELIVERED, Action.RELAYED, Action.EXPANDED})


def said_in(part: Entity) -> tuple[Said, ...]:
    """What the fields of such a part say of each recipient.

    They may stand in the part's own header, where the blank line behind that is missing.
    """
    found: list[Said] = []
    for group in chain(_by_recipient(part.fields), _groups(part.content[:MOST_OCTETS])):
        said = _said(group)
        if said is not None:
            found.append(said)
        if len(found) == MOST_RECIPIENTS:
            break
    return tuple(found)


def _groups(content: bytes) -> Iterator[Group]:
    """The groups of fields, those of the whole message among them (RFC 3464 §2.1).

    A blank line parts them. Where a system forgets it, the name of another recipient does.
    """
    start = 0
    while start < len(content):
        fields, end = read_fields(content, start)
        if end == start:  # a line that is no field: what it says is lost, and nothing else
            end = content.find(b"\n", start) + 1 or len(content)
        start = end
        yield from _by_recipient(fields)


def _by_recipient(fields: Iterable[tuple[str, str]]) -> Iterator[Group]:
    group: dict[str, str] = {}
    for name, value in fields:
        if name in _NAMES and (name in group or "action" in group):
            yield group
            group = {}
        group.setdefault(name, value)
    yield group


def _said(group: Group) -> Said | None:
    """What one group says, or None where it is of no recipient, or says nothing of him."""
    named = [each for name in _NAMES for each in _addresses(group.get(name, ""), original=name == _NAMES[0])]
    status = _STATUS.search(group.get("status", ""))
    word = without_comments(group.get("action", "")).strip().lower()
    action = Action(word) if word in _ACTIONS else _BY_CLASS.get(status[1]) if status else None
    if not named or action is None:
        return None
    kind, words = _typed(group.get("diagnostic-code", ""))
    return Said(
        action=action,
        addresses=tuple(dict.fromkeys(named)),
        status=status[0] if status else None,
        words=words,
        by_smtp=kind == "smtp",
        mx=_host(group.get("remote-mta", "")),
    )


def _typed(value: str) -> tuple[str, str]:
    """Type and value of a field that has both (RFC 3464 §2.1.2)."""
    kind, semicolon, rest = value.partition(";")
    return (without_comments(kind).strip().lower(), rest.strip()) if semicolon else ("", value.strip())


def _addresses(value: str, *, original: bool) -> Iterator[str]:
    """What the field may mean, the likeliest first: not every system encodes, nor every one that should."""
    kind, address = _typed(value)
    address = without_comments(address).strip().removeprefix("<").removesuffix(">")
    if not address:
        return
    if kind == "utf-8":
        yield _decoded(_UNITEXT, address)
    elif original:
        yield _decoded(_XTEXT, address)
    yield address


def _decoded(escape: re.Pattern[str], text: str) -> str:
    def character(match: re.Match[str]) -> str:
        number = int(match[1], 16)
        return match[0] if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF else chr(number)

    return escape.sub(character, text)


def _host(value: str) -> str | None:
    """The host that a field names, such as `dns; mx.example.net (192.0.2.1)`."""
    words = without_comments(_typed(value)[1]).split()
    return words[0][:255] if words and words[0].isprintable() else None
