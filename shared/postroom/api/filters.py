"""`GET /emails` with filters: a walk along the letters by their creation, of which each page goes a bounded way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from postroom.api.fields import Address, Shape, Text, Timestamp
from postroom.api.headers import LONGEST_KEY
from postroom.api.pages import MOST, PageSchema
from postroom.delivery.status import WORDS
from postroom.delivery.submission import Submission
from postroom.message.address import InvalidAddress, Mailbox
from postroom.ports import Cursor, Page, UnknownCursor

FARTHEST = 1_000  # letters that one page looks at

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}(?::[A-Za-z0-9_-]{1,256})?")
_KEY = re.compile(rf"[ -~]{{1,{LONGEST_KEY}}}")


class Tag(Text):
    """The name of a tag, or its name and value."""

    def shape(self) -> Shape:
        return {"type": "string", "pattern": f"^{_TAG.pattern}$"}

    def read(self, value: Any) -> str:
        if not _TAG.fullmatch(text := super().read(value)):
            raise ValidationError("expected a tag's name, or name:value, of ASCII letters, digits, `_` and `-`")
        return text


class Key(Text):
    """An Idempotency-Key, as a header holds it."""

    def shape(self) -> Shape:
        return {"type": "string", "pattern": f"^{_KEY.pattern}$"}

    def read(self, value: Any) -> str:
        if not _KEY.fullmatch(text := super().read(value)):
            raise ValidationError(f"expected a key of 1 to {LONGEST_KEY} printable characters of ASCII")
        return text


class EmailsSchema(PageSchema):
    """Which letters are asked for, and which part of their list."""

    status = Text(
        validate=validate.OneOf(WORDS, error="expected one of {choices}"),
        metadata={"description": "Those with this `last_event`."},
    )
    to = Address(metadata={"description": "Those to this recipient, in To, Cc or Bcc."})
    tag = Tag(metadata={"description": "Those with this tag: its name, or name:value."})
    since = Timestamp(metadata={"description": "Those taken at this moment or later."})
    until = Timestamp(metadata={"description": "Those taken before this moment."})

    idempotency_key = Key(
        metadata={"description": "Those taken under this Idempotency-Key: one, or more where it was used again later."},
    )

    @validates_schema(skip_on_field_errors=False)
    def _goes_one_way(self, data: dict[str, Any], **_: Any) -> None:
        if "idempotency_key" in data and "before" in data:
            raise ValidationError("what was taken under a key is read from its start on: use `after`", "before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a letter must be like."""

    status: str | None = None
    to: Mailbox | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def asked(cls, asked: dict[str, Any]) -> Filters:
        return cls(**{name: asked[name] for name in cls.__slots__ if name in asked})

    def let(self, submission: Submission) -> bool:
        """Whether it is one of those."""
        created = submission.created_at
        return (
            (self.since is None or self.since <= created)
            and (self.until is None or created < self.until)
            and (self.tag is None or _has_tag(submission, self.tag))
            and (self.to is None or any(_key(each.address) == self.to.key for each in submission.recipients))
            and (self.status is None or self.status == submission.last_event)
        )


def walk(
    read: Callable[[Cursor], Page[Submission]], cursor: Cursor, filters: Filters
) -> tuple[Page[Submission], str | None]:
    """The page of those that the filters let through, and the cursor for going on from where it stopped looking.

    It stops once the page is full, or after `FARTHEST` letters: it may hold fewer than were asked for, or none.
    """
    at = replace(cursor, limit=MOST, since=filters.since, until=filters.until)
    found: list[Submission] = []
    looked, more = 0, True
    while more and looked < FARTHEST and len(found) < cursor.limit:
        page = read(at)
        more = page.has_more
        if not page.items:
            break
        nearest, seen = page.items[::-1] if cursor.newer else page.items, 0
        while seen < len(nearest) and len(found) < cursor.limit:
            if filters.let(nearest[seen]):
                found.append(nearest[seen])
            seen += 1
        looked += seen
        more = more or seen < len(nearest)
        last = nearest[seen - 1].id
        at = replace(at, before=last) if cursor.newer else replace(at, after=last)
    return Page.of(cursor, found, has_more=more), at.mark if more else None


def look_up(found: Iterator[Submission], cursor: Cursor, filters: Filters) -> tuple[Page[Submission], str | None]:
    """The page of what was `found` by its key, and the cursor for going on. Raises `UnknownCursor`."""
    if cursor.after is not None and not any(each.id == cursor.after for each in found):
        raise UnknownCursor(cursor.after)
    page = Page.of(
        cursor, list(islice(filter(lambda each: not each.erased and filters.let(each), found), cursor.limit + 1))
    )
    return page, page.items[-1].id if page.has_more else None


def _has_tag(submission: Submission, tag: str) -> bool:
    name, colon, value = tag.partition(":")
    return any(name == its_name and (not colon or value == its_value) for its_name, its_value in submission.tags)


def _key(address: str) -> str:
    try:
        return Mailbox.parse(address).key
    except InvalidAddress:  # what was taken under other rules
        return address
