"""What webhooks are told of a letter: one piece of news for each recipient and each change of its word.

News is written into the parcel by the very update that it is about, so that no crash can come between the two. It
stays there; what remains to be done is told by the webhooks that still wait for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from postroom.delivery.record import Record, newest_first, plain, times
from postroom.delivery.status import Status, resend_word

if TYPE_CHECKING:
    from postroom.delivery.parcel import Parcel
    from postroom.delivery.recipient import Recipient

Wanted = Mapping[str, Collection[str]]
"""The types of events that each webhook wants, by its id."""

SENT = "sent"
UNTOLD = frozenset({"queued", "canceled"})
"""Words of `last_event` that Resend has no event for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """That the word for a recipient has changed, and what was known of it then."""

    recipient: int  # its place in the parcel
    word: str  # of `last_event`'s vocabulary
    at: datetime
    webhooks: tuple[str, ...] = ()  # the ids of those that are still to be told
    code: int | None = None
    enhanced_code: str | None = None
    response: str | None = None  # the server's own words
    cause: str | None = None
    expired: bool = False  # it became too old: that isn't a refusal for good

    @property
    def type(self) -> str:
        """The event's, as Resend names it."""
        return f"email.{self.word}"

    def record(self) -> Record:
        kept = {name: plain(getattr(self, name)) for name in self.__slots__ if name != "webhooks"}
        kept["webhooks"] = list(self.webhooks)
        return {name: value for name, value in kept.items() if value not in (None, False, []) or name == "recipient"}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> News:
        fields = times(dict(record), "at")
        return cls(**fields | {"webhooks": tuple(fields.get("webhooks", ()))})


def with_news(parcel: Parcel, wanted: Wanted) -> Parcel:
    """The parcel with news of each recipient whose word isn't the one that was told last.

    Nothing is noted where nobody listens. That a letter is on its way (`sent`) is told with the first thing that an
    attempt brings to light.
    """
    if not wanted or parcel.lease is not None:
        return parcel
    news = list(parcel.news)
    recipients = []
    for place, each in enumerate(parcel.recipients):
        word = resend_word(each.status, each.attempts)
        if word != each.told:
            begun = each.attempts > 0 and not any(old.recipient == place and old.word == SENT for old in news)
            if begun and word != SENT:
                news += _told(place, SENT, parcel.first_attempt_at or each.updated_at, None, wanted)
            if word not in UNTOLD:
                news += _told(place, word, each.updated_at, each, wanted)
            each = replace(each, told=word)
        recipients.append(each)
    return replace(parcel, recipients=tuple(recipients), news=tuple(news))


def _told(place: int, word: str, at: datetime, of: Recipient | None, wanted: Wanted) -> list[News]:
    webhooks = tuple(id_ for id_, types in wanted.items() if f"email.{word}" in types)
    if not webhooks:
        return []
    if of is None:
        return [News(recipient=place, word=word, at=at, webhooks=webhooks)]
    said = {name: getattr(of, name) for name in ("code", "enhanced_code", "response", "cause")}
    expired = of.status is Status.EXPIRED
    return [News(recipient=place, word=word, at=at, webhooks=webhooks, expired=expired, **said)]


def waiting_for(parcel: Parcel, webhook: str) -> tuple[int, ...]:
    """The places in the parcel's news of what that webhook is still to be told."""
    return tuple(place for place, each in enumerate(parcel.news) if webhook in each.webhooks)


def news_since(parcel: Parcel) -> datetime | None:
    """Since when the oldest of the parcel's news waits that some webhook is still to be told."""
    return min((each.at for each in parcel.news if each.webhooks), default=None)


def without(parcel: Parcel, webhook: str, places: Collection[int]) -> Parcel:
    """The parcel once that webhook needs to be told no more of these."""
    news = (
        replace(each, webhooks=tuple(id_ for id_ in each.webhooks if id_ != webhook)) if place in places else each
        for place, each in enumerate(parcel.news)
    )
    return replace(parcel, news=tuple(news))


def event_id(parcel: Parcel, place: int) -> str:
    """The id of the event for that piece of news: a UUIDv8, the same whenever it is asked for, the newest first."""
    return named_id(f"{parcel.key}/{place}", parcel.news[place].at)


def named_id(name: str, at: datetime) -> str:
    """The id of the event for what that name tells, which happened then."""
    return newest_first(at, hashlib.sha256(name.encode()).digest()[:10])
