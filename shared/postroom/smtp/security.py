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


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str = field(repr=False)
