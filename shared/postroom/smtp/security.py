"""How much security a session must have, and with what it proves who it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Security(StrEnum):
    """The least that will do. Only `OPPORTUNISTIC` ever speaks in clear text."""

    OPPORTUNISTIC = "opportunistic"
    REQUIRE = "require"
    VERIFY = "verify"

    def at_least(self, other: Security) -> Security:
        """The stricter of the two."""
        return self if _RANK[self] >= _RANK[other] else other


_RANK = {security: rank for rank, security in enumerate(Security)}


class Mechanism(StrEnum):
    """How the two are shown to a relay: by SASL's PLAIN, its forerunner LOGIN, or an OAuth 2.0 token."""

    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str = field(repr=False)  # for XOAUTH2 the access token
    mechanism: Mechanism | None = None  # None: PLAIN, or LOGIN where the relay knows nothing else
