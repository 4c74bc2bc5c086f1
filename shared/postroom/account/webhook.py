"""Webhooks: where an application wants to hear what becomes of its letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from postroom.delivery.record import plain, times

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

NEVER = (
    "email.opened",
    "email.clicked",
    "email.received",
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "contact.topics.updated",
    "topic.created",
    "topic.updated",
    "topic.deleted",
    "inbox.created",
    "inbox.updated",
    "inbox.deleted",
    "inbox.thread.created",
    "inbox.email.received",
    "inbox.email.sent",
    "inbox.thread.folder.updated",
    "inbox.thread.assigned",
    "inbox.thread.unassigned",
    "inbox.thread.labels.updated",
    "inbox.draft.created",
    "inbox.draft.updated",
    "inbox.draft.sent",
    "inbox.draft.deleted",
)
"""Resend's other types: its clients may ask for them, and they never happen here."""

TYPES = OURS + NEVER

MOST = 50
"""Webhooks of a deployment: they lie in one document, which every home must have room for."""

OVERLAP = timedelta(hours=24)
"""How long a secret signs along after it was rotated out."""

_MOST_SECRETS = 3  # that sign at a time, however often they are rotated


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

    def signers(self, now: datetime) -> tuple[str, ...]:
        """The closed secrets that sign now."""
        return self.secrets[:1] if self.secret_ends_at is None or self.secret_ends_at <= now else self.secrets

    def rotated(self, secret: str, now: datetime) -> Webhook:
        """With a new secret, closed; what has signed up to now signs along for a while."""
        secrets = (secret, *self.signers(now))[:_MOST_SECRETS]
        return replace(self, secrets=secrets, secret_ends_at=now + OVERLAP)

    def disabled(self, why: str | None) -> Webhook:
        return replace(self, status=State.DISABLED, why=why)

    def enabled(self) -> Webhook:
        return replace(self, status=State.ENABLED, why=None)

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "events": list(self.events),
            "secrets": list(self.secrets),
            "created_at": self.created_at.isoformat(),
            "status": str(self.status),
            "why": self.why,
            "secret_ends_at": plain(self.secret_ends_at),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Webhook:
        fields = times(dict(record), "created_at", "secret_ends_at")
        return cls(
            id=fields["id"],
            endpoint=fields["endpoint"],
            events=tuple(fields["events"]),
            secrets=tuple(fields["secrets"]),
            created_at=fields["created_at"],
            status=State(fields["status"]),
            why=fields.get("why"),
            secret_ends_at=fields.get("secret_ends_at"),
        )
