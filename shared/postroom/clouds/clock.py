"""The clock of every home."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)
