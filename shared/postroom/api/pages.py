"""Lists, page by page. A cursor is the id of an item, which itself is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from flask import Request
from marshmallow import ValidationError, validates_schema

from postroom.api.fields import Members, Shape, Text, Value
from postroom.api.problems import Problem, invalid
from postroom.api.query import read_query
from postroom.ports import Cursor, Page, UnknownCursor

MOST = 100
USUAL = 20

T = TypeVar("T")


class Named(Protocol):
    """What has an id."""

    @property
    def id(self) -> str: ...


One = TypeVar("One", bound=Named)

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Limit(Value[int]):
    """How many items a page may hold."""

    def shape(self) -> Shape:
        return {"type": "integer", "minimum": 1, "maximum": MOST}

    def read(self, value: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,3}", value) or not 1 <= int(value) <= MOST:
            raise ValidationError(f"expected a number from 1 to {MOST}")
        return int(value)


def as_id(text: str) -> str | None:
    """The id in the form in which ids are stored, or None where it is none."""
    lower = text.lower()
    return lower if _UUID.fullmatch(lower) else None


class PageSchema(Members):
    """Which part of a list is asked for."""

    limit = Limit(load_default=USUAL, metadata={"description": "How many items, at most."})
    after = Text(metadata={"description": "The id of an item: older ones follow.", "format": "uuid"})
    before = Text(metadata={"description": "The id of an item: newer ones are listed.", "format": "uuid"})

    @validates_schema(skip_on_field_errors=False)
    def _one_good_cursor(self, data: dict[str, Any], **_: Any) -> None:
        errors = {
            name: ["expected an item's id, which is a UUID"]
            for name in ("after", "before")
            if name in data and as_id(data[name]) is None
        }
        if "after" in data and "before" in data:
            errors.setdefault("before", []).append("`after` was given too, and a page lies on one side of one item")
        if errors:
            raise ValidationError(errors)


_SCHEMA = PageSchema()


def unknown_cursor(asked: Mapping[str, Any]) -> Problem:
    """The answer to a cursor that names nothing."""
    named = "after" if "after" in asked else "before"
    return invalid({named: ["the list holds no item with this id"]}, "parameter")


def part_of(items: Sequence[T], cursor: Cursor, id_of: Callable[[T], str] = str) -> Page[T]:
    """The page of a list that is at hand. Raises `UnknownCursor`."""
    start, end = 0, len(items)
    if cursor.mark is not None:
        places = [place for place, each in enumerate(items) if id_of(each) == cursor.mark]
        if not places:
            raise UnknownCursor(cursor.mark)
        start, end = (0, places[0]) if cursor.newer else (places[0] + 1, end)
    return Page.of(cursor, items[start:end][::-1] if cursor.newer else items[start:end])


def page_of(
    request: Request, read: Callable[[Cursor], Page[T]], show: Callable[[T], Any], schema: PageSchema = _SCHEMA
) -> dict[str, Any]:
    """The page of a list that the request asks for, as `read` finds it. Raises `Problem` 422."""
    asked = read_query(request, schema)
    try:
        return shown(read(cursor_of(asked)), show)
    except UnknownCursor:
        raise unknown_cursor(asked) from None


def cursor_of(asked: Mapping[str, Any]) -> Cursor:
    """From the parameters that `PageSchema` has read."""
    after, before = (as_id(asked[name]) if name in asked else None for name in ("after", "before"))
    return Cursor(after, before, asked["limit"])


def further_than(page: Page[One], cursor: Cursor) -> str | None:
    """The cursor of the next page in the direction that was asked for, where there are more."""
    return page.items[0 if cursor.newer else -1].id if page.has_more and page.items else None


def shown(page: Page[T], show: Callable[[T], Any]) -> dict[str, Any]:
    return {"object": "list", "has_more": page.has_more, "data": [show(item) for item in page.items]}
