"""What follows from a master key: a key of its own for each purpose, so that no use of it helps with another."""

from __future__ import annotations

import hmac
from collections.abc import Iterable


def key_for(master: bytes, purpose: bytes) -> bytes:
    return hmac.digest(master, purpose, "sha256")


def signature(master: bytes, purpose: bytes, signed: bytes) -> bytes:
    """HMAC-SHA256 under the key for that purpose."""
    return hmac.digest(key_for(master, purpose), signed, "sha256")


def is_one_of(given: str, good: Iterable[str]) -> bool:
    """Whether what is given as a signature is one of those that the master keys make."""
    octets = given.encode("utf-8", "surrogatepass")
    # All are compared, so that the time tells nothing of which key it was.
    compared = [hmac.compare_digest(each.encode(), octets) for each in good]
    return any(compared)
