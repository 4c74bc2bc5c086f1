"""An event for one webhook, and every attempt to tell it.

What it says of a letter is not in it: that stays with the letter, in the parcel's news, and is erased with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from postroom.delivery.record import plain, times

MOST_POSTS = 50
"""Attempts that are remembered of an event, however often it is replayed."""

LONGEST_RESPONSE = 500
"""Characters that are shown of an answer."""


def shown(body: bytes) -> str:
    """The beginning of an answer as one line of printable characters, the others escaped."""
    return printable(body[: 4 * LONGEST_RESPONSE].decode("utf-8", "backslashreplace"))


def printable(text: str) -> str:
    """The same of a text, which may quote what a stranger said."""
    escaped = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text[: 4 * LONGEST_RESPONSE]
    )
    return escaped if len(escaped) <= LONGEST_RESPONSE else escaped[: LONGEST_RESPONSE - 1] + "…"


class Told(StrEnum):
    """How far an event has come."""

    PENDING = "pending"  # `next_attempt_at` is set
    DELIVERED = "delivered"  # the endpoint answered 2xx
    FAILED = "failed"  # given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One attempt."""

    sent_at: datetime
    milliseconds: int
    status: int | None = None  # of HTTP, where there was an answer
    response: str | None = None  # the beginning of the answer's body, escaped
    why: str | None = None  # there was no answer

    @property
    def taken(self) -> bool:
        """The endpoint answered 2xx."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    id: str
    type: str
    created_at: datetime
    parcel: tuple[str, int, int] | None = None  # submission, number, place in its news; None for what is no letter's
    data: Mapping[str, Any] | None = None  # what it says, where it is no letter's
    status: Told = Told.PENDING
    posts: tuple[Post, ...] = ()  # the oldest first
    tries: int = 0  # of the retry schedule, which begins anew with a replay
    next_attempt_at: datetime | None = None

    @property
    def taken_at(self) -> datetime | None:
        """When its endpoint took it last, as far as is remembered."""
        return next((each.sent_at for each in reversed(self.posts) if each.taken), None)

    def again(self, now: datetime) -> Event:
        """This event, to be told once more."""
        return replace(self, status=Told.PENDING, tries=0, next_attempt_at=now)

    def after(self, post: Post, status: Told, next_attempt_at: datetime | None = None) -> Event:
        """This event once the attempt was made."""
        return replace(
            self,
            posts=(*self.posts, post)[-MOST_POSTS:],
            tries=self.tries + 1,
            status=status,
            next_attempt_at=next_attempt_at,
        )

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": self.type,
            "created_at": self.created_at.isoformat(),
            "parcel": self.parcel and list(self.parcel),
            "data": self.data,
            "status": str(self.status),
            "tries": self.tries,
            "next_attempt_at": plain(self.next_attempt_at),
            "posts": [
                {
                    "sent_at": each.sent_at.isoformat(),
                    "milliseconds": each.milliseconds,
                    "status": each.status,
                    "response": each.response,
                    "why": each.why,
                }
                for each in self.posts
            ],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Event:
        fields = times(dict(record), "created_at", "next_attempt_at")
        return cls(
            id=fields["id"],
            type=fields["type"],
            created_at=fields["created_at"],
            parcel=fields["parcel"] and tuple(fields["parcel"]),
            data=fields["data"],
            status=Told(fields["status"]),
            tries=fields["tries"],
            next_attempt_at=fields["next_attempt_at"],
            posts=tuple(Post(**times(dict(each), "sent_at")) for each in fields["posts"]),
        )
