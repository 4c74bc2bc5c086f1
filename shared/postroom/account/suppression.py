"""Addresses that no letter is sent to, and what brought each of them onto the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from postroom.delivery.record import shown


class Origin(StrEnum):
    """What brought an address onto the list."""

    BOUNCE = "bounce"  # its server said that there is no such mailbox
    COMPLAINT = "complaint"  # a letter to it was reported as spam
    MANUAL = "manual"  # somebody put it there


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One address on the list."""

    id: str
    email: str  # `Mailbox.key`: the name that it is looked up by
    origin: Origin
    source_id: str | None  # the submission that bounced or was complained about
    created_at: datetime

    def shown(self) -> dict[str, Any]:
        """As the API and webhooks tell of it."""
        return {
            "id": self.id,
            "email": self.email,
            "origin": str(self.origin),
            "source_id": self.source_id,
            "created_at": shown(self.created_at),
        }

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "email": self.email,
            "origin": str(self.origin),
            "source_id": self.source_id,
            "created_at": self.created_at.isoformat(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Suppression:
        return cls(
            id=record["id"],
            email=record["email"],
            origin=Origin(record["origin"]),
            source_id=record["source_id"],
            created_at=datetime.fromisoformat(record["created_at"]),
        )
