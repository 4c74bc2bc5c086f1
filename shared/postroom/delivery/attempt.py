"""One try at one parcel: who was spoken to, what was said, how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postroom.delivery.record import Record, SubmissionId, plain, times, uuid8
from postroom.delivery.status import Outcome
from postroom.smtp.transcript import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    version: str  # as the TLS library names it, such as TLSv1.3
    cipher: str
    verified: bool  # the certificate was checked against the server's name and the roots
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at one parcel: who was spoken to, what was said, how it ended."""

    submission: SubmissionId
    parcel: int
    claim: int
    number: int
    destination: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    route: str | None = None
    mx: str | None = None
    address: str | None = None
    tls: TlsFacts | None = None
    round_trips: int | None = None
    note: str | None = None  # why it ended without a reply to quote
    transcript: tuple[Line, ...] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """A UUIDv8 of the parcel and its claim: an attempt recorded twice is recorded once."""
        digest = hashlib.sha256(f"{self.submission}/{self.parcel}/{self.claim}".encode()).digest()
        return uuid8(digest)

    def record(self) -> Record:
        kept = {name: plain(getattr(self, name)) for name in self.__slots__ if name not in ("tls", "transcript")}
        if self.tls:
            kept["tls"] = {name: getattr(self.tls, name) for name in self.tls.__slots__}
        kept["transcript"] = [[line.at_ms, line.speaker, line.text] for line in self.transcript]
        return kept

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Attempt:
        fields = times(dict(record), "started_at", "finished_at")
        fields["outcome"] = Outcome(fields["outcome"])
        if fields.get("tls"):
            fields["tls"] = TlsFacts(**fields["tls"])
        fields["transcript"] = tuple(Line(*line) for line in fields["transcript"])
        return cls(**fields)
