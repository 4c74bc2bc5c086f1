"""API keys. The token is shown once, when it is made; only its SHA-256 is kept.

A token holds 256 bits of randomness, so a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

PREFIX = "pr_"


class Permission(StrEnum):
    FULL_ACCESS = "full_access"
    SENDING_ACCESS = "sending_access"


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    name: str
    permission: Permission
    created_at: datetime

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "permission": str(self.permission),
            "created_at": self.created_at.isoformat(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ApiKey:
        created_at = datetime.fromisoformat(record["created_at"])
        return cls(record["id"], record["name"], Permission(record["permission"]), created_at)


def new_token(randomness: bytes) -> str:
    """A token from 32 octets of randomness."""
    if len(randomness) != 32:
        raise ValueError("an API key takes 32 octets of randomness")
    return PREFIX + urlsafe_b64encode(randomness).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """What the key is kept and looked up under."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same_token(one: str, other: str) -> bool:
    """Whether two tokens are equal, in a time that doesn't tell how much of them is."""
    return hmac.compare_digest(token_hash(one), token_hash(other))
