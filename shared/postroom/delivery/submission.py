"""One accepted letter: its head, as lists show it, and its parcels. The letter itself is kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import Record, SubmissionId, plain, times
from postroom.delivery.status import last_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The stored head; `parcels` are stored beside it."""

    id: SubmissionId
    created_at: datetime
    fingerprint: str  # of the request as parsed; the same key with another fingerprint is a conflict
    message_id: str
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    expires_at: datetime | None = None
    on_unknown: str = "retry"
    route: str | None = None
    tls: str | None = None
    requiretls: bool = False
    return_path: str = ""
    refused: tuple[int, ...] = ()  # items of its batch that weren't accepted with it; only the first letter tells
    erased: bool = False  # only that it was there is left of it
    parcels: tuple[Parcel, ...] = ()

    @property
    def scheduled_at(self) -> datetime | None:
        """The moment that it was asked to be sent at: its parcels keep it, since it may change until they are claimed.

        They all have the same, but for those that were claimed before it was changed.
        """
        return max((each.scheduled_at for each in self.parcels if each.scheduled_at is not None), default=None)

    def date_of(self, parcel: Parcel) -> datetime:
        """The Date of the letter in that parcel: the later of its acceptance and the moment it is scheduled for."""
        return max(self.created_at, parcel.scheduled_at or self.created_at)

    def due_since(self, parcel: Parcel) -> datetime:
        """From when the parcel's age is counted: its letter's Date, or when it was put back by hand."""
        return parcel.retried_at or self.date_of(parcel)

    def due(self, parcel: Parcel) -> datetime:
        """When the parcel's next attempt is due."""
        return parcel.next_attempt_at or self.date_of(parcel)

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        return tuple(recipient for parcel in self.parcels for recipient in parcel.view())

    @property
    def last_event(self) -> str:
        """In the word that Resend's clients know."""
        return last_event((each.status, each.attempts) for each in self.recipients)

    def is_of_the_request_of(self, other: Submission) -> bool:
        """Whether both, the first letters of their requests, come of the same one, which was judged alike."""
        return (self.fingerprint, self.refused) == (other.fingerprint, other.refused)

    def stripped(self) -> Submission:
        """What is left of it when it is erased: whom it was for and what about is gone.

        It still shows a repeat under its idempotency key that it was there, and what was asked for.
        """
        return Submission(
            id=self.id,
            created_at=self.created_at,
            fingerprint=self.fingerprint,
            message_id="",
            sender="",
            to=(),
            refused=self.refused,
            erased=True,
        )

    def record(self) -> Record:
        """The head's stored form, without the parcels."""
        kept = dict(zip(_STORED, _stored(self), strict=True))
        kept["created_at"], kept["expires_at"] = plain(self.created_at), plain(self.expires_at)
        if not self.refused:
            del kept["refused"]
        if not self.erased:
            del kept["erased"]
        return kept

    @classmethod
    def from_record(cls, record: Mapping[str, Any], parcels: Iterable[Parcel]) -> Submission:
        fields = times(dict(record), "created_at", "expires_at")
        fields.pop("scheduled_at", None)  # of records from before the parcels kept it; it was always null
        for name in ("to", "cc", "bcc", "reply_to"):
            fields[name] = tuple(fields[name])
        fields["tags"] = tuple((name, value) for name, value in fields["tags"])
        fields["refused"] = tuple(fields.get("refused", ()))
        return cls(parcels=tuple(parcels), **fields)


_STORED = tuple(name for name in Submission.__slots__ if name != "parcels")
_stored = attrgetter(*_STORED)
