"""Pages of what is kept newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from postroom.ports import Cursor, Page

T = TypeVar("T")


def mark_of(cursor: Cursor) -> str | None:
    """The id that the page lies beyond."""
    return cursor.before if cursor.after is None else cursor.after


def is_newer(cursor: Cursor) -> bool:
    """Whether the page holds what is newer than its mark; else it holds what is older."""
    return cursor.after is None and cursor.before is not None


def page_of(cursor: Cursor, nearest: Sequence[T], *, has_more: bool) -> Page[T]:
    """The page of `nearest`, which begins with what is next to the cursor's mark."""
    return Page(tuple(reversed(nearest) if is_newer(cursor) else nearest), has_more)
