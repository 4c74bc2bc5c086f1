"""When a letter may be sent: the moments of a request, held against the clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError

from postroom.accept import FURTHEST_AHEAD
from postroom.api.fields import Shape, Text
from postroom.api.moments import LONGEST, UNREADABLE, read_moment
from postroom.api.representation import moment

JUST_NOW = timedelta(minutes=5)
"""A moment that passed no longer ago counts as now: requests take their time, and clocks differ."""


class ScheduledAt(Text):
    """Text that may be a moment, in ISO 8601 or in words.

    It is read by `scheduled_for`, to whom it must be told what time it is.
    """

    def __init__(self, **kwargs: Any) -> None:
        description = (
            "When to send it, at most 30 days ahead: ISO 8601 (in UTC where no offset is given), or words such as "
            "`in 1 hour`, `tomorrow at 9am`, `Friday at 3pm ET`."
        )
        super().__init__(metadata={"description": description, "examples": ["in 1 hour"]}, **kwargs)

    def shape(self) -> Shape:
        return {"type": "string", "format": "moment", "minLength": 1, "maxLength": LONGEST}

    def read(self, value: Any) -> str:
        text = super().read(value)
        if not (1 <= len(text) <= LONGEST and text.isprintable()):
            raise ValidationError(UNREADABLE)
        return text


def scheduled_for(text: str, now: datetime) -> datetime:
    """The moment that is asked for. Raises ValueError where it is none, or has passed, or lies too far ahead."""
    at = read_moment(text, now)
    if at < now - JUST_NOW:
        raise ValueError(f"{moment(at)} has passed")
    if at > now + FURTHEST_AHEAD + JUST_NOW:
        raise ValueError(f"{moment(at)} lies more than {FURTHEST_AHEAD.days} days ahead")
    return at


def untimely(email: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What is wrong with a letter's moments, as marshmallow nests it. Its `scheduled_at` is read in place.

    `email` is the letter as `EmailSchema` read it, or what of it was good.
    """
    flaws: dict[str, Any] = {}
    at: datetime | None = None
    if email.get("scheduled_at") is not None:
        try:
            at = scheduled_for(email["scheduled_at"], now)
        except ValueError as error:
            flaws["scheduled_at"] = [str(error)]
        email["scheduled_at"] = at
    expires_at = email.get("delivery", {}).get("expires_at")
    if expires_at is not None and expires_at <= now:
        flaws["delivery"] = {"expires_at": ["it has passed, so the letter could never be sent"]}
    elif expires_at is not None and at is not None and expires_at <= at:
        flaws["delivery"] = {"expires_at": [f"it doesn't lie after {moment(at)}, when the letter is to be sent"]}
    return flaws
