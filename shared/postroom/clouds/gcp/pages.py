"""Pages of a list that is read outwards from its cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from postroom.ports import Cursor, Page

T = TypeVar("T")


def mark(cursor: Cursor) -> str | None:
    """The id that reading begins at, without it; None for the newest."""
    return cursor.before if cursor.after is None else cursor.after


def backwards(cursor: Cursor) -> bool:
    """Whether reading goes towards the newest."""
    return cursor.after is None and cursor.before is not None


def page(cursor: Cursor, nearest: Sequence[T]) -> Page[T]:
    """The page, newest first, of `nearest`, which holds one more than it, where there are more."""
    items = nearest[: cursor.limit]
    return Page(tuple(reversed(items) if backwards(cursor) else items), has_more=len(nearest) > cursor.limit)
