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
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

PREFIX = "pr_"
LONGEST_NAME = 100  # characters
MOST_NETWORKS = 100

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Permission(StrEnum):
    FULL_ACCESS = "full_access"
    SENDING_ACCESS = "sending_access"


@dataclass(frozen=True, slots=True)
class ApiKey:
    id: str
    name: str
    permission: Permission
    created_at: datetime
    domain_id: str | None = None  # the only domain that letters may come from
    expires_at: datetime | None = None
    networks: tuple[Network, ...] = ()  # that it may be used from; none named: from everywhere
    last_used_at: datetime | None = None

    def record(self) -> dict[str, Any]:
        """What is stored. A key without the newer attributes is stored as it was before there were any."""
        optional = {
            "domain_id": self.domain_id,
            "expires_at": self.expires_at and self.expires_at.isoformat(),
            "networks": [str(each) for each in self.networks],
            "last_used_at": self.last_used_at and self.last_used_at.isoformat(),
        }
        return {
            "id": self.id,
            "name": self.name,
            "permission": str(self.permission),
            "created_at": self.created_at.isoformat(),
            **{name: value for name, value in optional.items() if value},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ApiKey:
        return cls(
            record["id"],
            record["name"],
            Permission(record["permission"]),
            datetime.fromisoformat(record["created_at"]),
            record.get("domain_id"),
            _moment(record.get("expires_at")),
            tuple(ip_network(each) for each in record.get("networks", ())),
            _moment(record.get("last_used_at")),
        )

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def may_come_from(self, address: Address | None) -> bool:
        """Whether it may be used from there; from an address that nobody knows only where every one will do."""
        if not self.networks:
            return True
        return address is not None and any(address in each for each in self.networks)


def check_name(name: str) -> None:
    """Raises ValueError where a key can't be called so."""
    if not name.strip():
        raise ValueError("a key needs a name that tells what it is for")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"it is longer than {LONGEST_NAME} characters")
    if not name.isprintable():
        raise ValueError("a name is one line of printable characters")


def check_network(text: str) -> None:
    """Raises ValueError where it is no network."""
    network(text)


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


def address(text: str) -> Address:
    """An address, in IPv4 where it is one written as IPv6 (RFC 4291 §2.5.5.2). Raises ValueError."""
    read = ip_address(text.strip())
    mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else None
    return read if mapped is None else mapped


def network(text: str) -> Network:
    """A network in CIDR notation, or one address. Raises ValueError."""
    try:
        if "%" in text:  # the zone of a link-local address means something on one machine only (RFC 4007 §11)
            raise ValueError(text)
        read = ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError("expected a network in CIDR notation or an address, such as 192.0.2.0/24") from None
    if isinstance(read, IPv6Network) and read.prefixlen >= 96 and (mapped := read.network_address.ipv4_mapped):
        read = IPv4Network((mapped, read.prefixlen - 96))
    given = address(text.partition("/")[0])
    if given != read.network_address:  # perhaps one address was meant, perhaps all of them: not ours to choose
        raise ValueError(f"{given} lies within a network: it is {read}, and that address alone is {ip_network(given)}")
    return read


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
