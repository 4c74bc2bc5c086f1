"""Webhooks: where an application wants to hear what becomes of its letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

OURS = (
    "email.sent",
    "email.scheduled",
    "email.delivered",
    "email.delivery_delayed",
    "email.bounced",
    "email.complained",
    "email.failed",
    "email.suppressed",
    "domain.created",
    "domain.updated",
    "domain.deleted",
    "suppression.added",
    "suppression.removed",
    "webhook.disabled",
)
"""Types of events that happen here. All but the last are Resend's words, and nobody gets that who hasn't asked."""


class State(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    id: str
    endpoint: str  # a URL
    events: tuple[str, ...]  # the types that it wants
    secrets: tuple[str, ...]  # closed in the vault, the newest first; all of them sign
    created_at: datetime
    status: State = State.ENABLED
    why: str | None = None  # it was disabled
    secret_ends_at: datetime | None = None  # when all secrets but the newest cease to sign

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "events": list(self.events),
            "secrets": list(self.secrets),
            "created_at": self.created_at.isoformat(),
            "status": str(self.status),
            "why": self.why,
            "secret_ends_at": self.secret_ends_at and self.secret_ends_at.isoformat(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Webhook:
        ends = record.get("secret_ends_at")
        return cls(
            id=record["id"],
            endpoint=record["endpoint"],
            events=tuple(record["events"]),
            secrets=tuple(record["secrets"]),
            created_at=datetime.fromisoformat(record["created_at"]),
            status=State(record["status"]),
            why=record.get("why"),
            secret_ends_at=None if ends is None else datetime.fromisoformat(ends),
        )
