"""Sending domains: whose From addresses this account may use, and the DKIM keys that sign for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One signing key. The private half is sealed; only the worker can open it."""

    selector: str
    sealed: str
    record: str  # the TXT record to publish at selector._domainkey.domain

    def purpose(self, domain: str) -> str:
        """What the seal is bound to: a key can't be moved to another domain or selector."""
        return f"dkim {self.selector}._domainkey.{domain}"


@dataclass(frozen=True, slots=True)
class SendingDomain:
    id: str
    name: str  # A-label, lower case
    verified: bool
    created_at: datetime
    keys: tuple[DkimKey, ...] = ()

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "verified": self.verified,
            "created_at": self.created_at.isoformat(),
            "keys": [{"selector": key.selector, "sealed": key.sealed, "record": key.record} for key in self.keys],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SendingDomain:
        return cls(
            record["id"],
            record["name"],
            record["verified"],
            datetime.fromisoformat(record["created_at"]),
            tuple(DkimKey(**key) for key in record["keys"]),
        )
