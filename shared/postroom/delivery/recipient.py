"""One recipient of a letter, and what is known of the letter's fate with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from postroom.delivery.record import Record, plain, times
from postroom.delivery.status import Status, move

REPORTED_UNSIGNED = "reported_unsigned"
"""The cause of what a report has told that nothing vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient and what is known of the letter's fate with it."""

    address: str
    kind: str  # to, cc or bcc
    status: Status
    updated_at: datetime
    attempts: int = 0
    possibly_delivered: bool = False  # once true, for good: a copy may have been taken without our knowing
    code: int | None = None
    enhanced_code: str | None = None
    response: str | None = None  # the server's own words, escaped, at most 1 KB
    cause: str | None = None
    mx: str | None = None
    suppress: bool = False  # it bounced in a way that leaves no doubt: there is no such address
    remote_id: str | None = None  # the name the destination gave the letter in its 2xx, where it did
    next_attempt_at: datetime | None = None
    told: str | None = None  # the word that webhooks were told last

    def moved(self, to: Status, at: datetime, **changes: Any) -> Recipient:
        """This recipient in state `to`; raises `UnlawfulMove`."""
        return replace(self, status=move(self.status, to), updated_at=at, **changes)

    def due(self, at: datetime) -> Recipient:
        """This recipient once its `scheduled_at` has come."""
        return self.moved(Status.QUEUED, at) if self.status is Status.SCHEDULED else self

    def sending(self, at: datetime) -> Recipient:
        """This recipient as its parcel's claim leaves it; raises `UnlawfulMove`."""
        return self.due(at).moved(Status.SENDING, at)

    def record(self) -> Record:
        kept = {name: getattr(self, name) for name in self.__slots__}
        return {name: plain(value) for name, value in kept.items() if value is not None and value is not False}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Recipient:
        fields = dict(record)
        fields["status"] = Status(fields["status"])
        return cls(**times(fields, "updated_at", "next_attempt_at"))
