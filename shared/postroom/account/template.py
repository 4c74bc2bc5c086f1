"""Templates of letters: what is stored under a name that letters are sent by, and the versions of it.

The head is small and changes; a version is a document of its own that never does. Editing makes another version and
leaves the published one alone, publishing makes the newest the one that letters are made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.account.unsubscribe import UNSUBSCRIBE_URL
from postroom.delivery.record import plain, times

LARGEST = 300_000
"""Octets of a version as it is stored: DynamoDB keeps 400 KB in an item."""
MOST_VARIABLES = 50
LONGEST_KEY = 50
_MARKS = (UNSUBSCRIBE_URL, "loop", "range", "self", "super", "caller", "varargs", "kwargs", "recursive")
_WORDS = ("true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else")
RESERVED = frozenset((*_MARKS, *_WORDS))
"""Names that mean something in a template already."""


class TooLarge(ValueError):
    """A version takes more room than it may."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a template declares."""

    key: str
    type: str  # `string` or `number`
    fallback: str | int | float | None
    created_at: datetime
    updated_at: datetime

    def record(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "type": self.type,
            "fallback": self.fallback,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Variable:
        fields = times(dict(record), "created_at", "updated_at")
        return cls(fields["key"], fields["type"], fields["fallback"], fields["created_at"], fields["updated_at"])

    def suits(self, value: Any) -> bool:
        """Whether the value is of its type."""
        wanted = str if self.type == "string" else (int, float)
        return isinstance(value, wanted) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a letter is made of."""

    html: str
    sender: str | None = None  # a mailbox
    subject: str | None = None
    reply_to: tuple[str, ...] = ()
    text: str | None = None  # "" where there is to be none, None where it is made from the HTML
    variables: tuple[Variable, ...] = ()

    def record(self) -> dict[str, Any]:
        """Raises `TooLarge`."""
        record = {
            "html": self.html,
            "sender": self.sender,
            "subject": self.subject,
            "reply_to": list(self.reply_to),
            "text": self.text,
            "variables": [each.record() for each in self.variables],
        }
        octets = len(json.dumps(record))
        if octets > LARGEST:
            raise TooLarge(
                f"a template holds {LARGEST:,} octets at most, with its text and as JSON in ASCII; this one {octets:,}"
            )
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Version:
        return cls(
            html=record["html"],
            sender=record["sender"],
            subject=record["subject"],
            reply_to=tuple(record["reply_to"]),
            text=record["text"],
            variables=tuple(map(Variable.from_record, record["variables"])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The head of a template: its names, and which of its versions is which."""

    id: str
    name: str
    alias: str | None
    created_at: datetime
    updated_at: datetime
    current: str  # the id of the newest version
    published: str | None = None  # the id of the one that letters are made of
    published_at: datetime | None = None
    earlier: tuple[str, ...] = ()  # published before, the oldest first

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "alias": self.alias,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
            "current": self.current,
            "published": self.published,
            "published_at": plain(self.published_at),
            "earlier": list(self.earlier),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Template:
        fields = times(dict(record), "created_at", "updated_at", "published_at")
        return cls(
            id=fields["id"],
            name=fields["name"],
            alias=fields["alias"],
            created_at=fields["created_at"],
            updated_at=fields["updated_at"],
            current=fields["current"],
            published=fields["published"],
            published_at=fields["published_at"],
            earlier=tuple(fields["earlier"]),
        )

    @property
    def versions(self) -> tuple[str, ...]:
        """All that are kept, by their ids."""
        return tuple(dict.fromkeys((*self.earlier, *([self.published] if self.published else []), self.current)))
