"""A record to publish in DNS, and what the looks at it have shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RecordStatus(StrEnum):
    """The words that Resend's clients know."""

    NOT_STARTED = "not_started"  # nobody has looked
    PENDING = "pending"  # it isn't there yet
    VERIFIED = "verified"
    FAILED = "failed"  # something else is there, or it was there and is gone
    TEMPORARY_FAILURE = "temporary_failure"  # DNS didn't say


class Sight(StrEnum):
    """What one look found under the record's name."""

    THERE = "there"
    ABSENT = "absent"
    WRONG = "wrong"
    SILENT = "silent"  # DNS didn't answer, or not in time


@dataclass(frozen=True, slots=True)
class Finding:
    sight: Sight
    detail: str | None = None  # one line for people
    text: str | None = None  # what is published, where it is to be kept and added to


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a record between two looks."""

    status: RecordStatus = RecordStatus.NOT_STARTED
    detail: str | None = None
    text: str | None = None
    once: bool = False  # it was there at one time

    def after(self, found: Finding) -> Seen:
        """What is so once it was looked at again. What was there and is gone has failed, and isn't merely awaited."""
        match found.sight:
            case Sight.THERE:
                return Seen(RecordStatus.VERIFIED, found.detail, found.text, once=True)
            case Sight.SILENT:
                return Seen(RecordStatus.TEMPORARY_FAILURE, found.detail, self.text, self.once)
            case Sight.ABSENT if not self.once:
                return Seen(RecordStatus.PENDING, found.detail)
            case _:
                return Seen(RecordStatus.FAILED, found.detail, found.text, self.once)

    def record(self) -> dict[str, Any]:
        return {"status": str(self.status), "detail": self.detail, "text": self.text, "once": self.once}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Seen:
        return cls(RecordStatus(record["status"]), record["detail"], record["text"], record["once"])


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record of a zone. `name` is written out whole, without a dot at its end."""

    purpose: str  # DKIM, SPF or DMARC
    type: str  # TXT or MX
    name: str
    value: str
    priority: int | None = None  # of an MX
    required: bool = False  # without it nobody may send
    note: str | None = None  # what is particular about it, for people

    @property
    def key(self) -> str:
        """What looks at it are remembered under. A name may have several MX, and one TXT of each purpose."""
        return f"MX {self.name} {self.value}" if self.type == "MX" else f"{self.purpose} {self.name}"
