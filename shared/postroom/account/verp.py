"""Return paths that name their letter and are signed: what comes to one is known to be about that letter.

The local part is the submission's id, a dot, and the signature, all in digits and lower-case letters, since servers on
the way may change the case: 59 octets of the 64 that there are (RFC 5321 §4.5.3.1.1). Whoever got a letter has read
its return path; so what is signed proves that a report comes from somebody whom that letter reached, and no more.
"""

from __future__ import annotations

import re
from base64 import b32encode
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from postroom.account.master import is_one_of, signature
from postroom.delivery.record import SubmissionId

_PURPOSE = b"postroom return paths"
_OCTETS = 16  # of the signature
_SIGNED = re.compile(r"([0-9a-f]{32})\.(.*)", re.DOTALL)
_UNSIGNED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Seal(StrEnum):
    """What the signature of a return path is worth."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"  # as the return paths of early letters are, and of none since
    FORGED = "forged"  # there is a signature, and it isn't ours


@dataclass(frozen=True, slots=True)
class Reading:
    """A return path that names one of our letters, or pretends to."""

    submission: SubmissionId
    seal: Seal


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Signs with the first of its keys; what any of them has signed is good, so that keys can be changed."""

    keys: tuple[bytes, ...] = field(default=(), repr=False)  # the master keys; without any nothing is signed

    def of(self, submission: SubmissionId, domain: str) -> str:
        """The return path of a letter, at that domain."""
        if not self.keys:
            return f"{submission}@{domain}"
        name = UUID(submission).hex
        return f"{name}.{_signature(self.keys[0], name, domain)}@{domain}"

    def read(self, address: str) -> Reading | None:
        """What an address says as a return path; None where it isn't of the kind."""
        reading = shape(address)
        if reading is None or reading.seal is Seal.UNSIGNED:
            return reading
        local, _, domain = address.lower().rpartition("@")
        name, _, given = local.partition(".")
        good = is_one_of(given, (_signature(key, name, domain) for key in self.keys))
        return reading if good else Reading(reading.submission, Seal.FORGED)


UNSIGNED = ReturnPaths()
"""What a deployment has that has no keys yet."""


def shape(address: str) -> Reading | None:
    """What an address looks like as a return path, whatever its signature is worth."""
    local, _, _ = address.lower().rpartition("@")
    if match := _SIGNED.fullmatch(local):
        return Reading(SubmissionId(str(UUID(match[1]))), Seal.SIGNED)
    return Reading(SubmissionId(local), Seal.UNSIGNED) if _UNSIGNED.fullmatch(local) else None


def _signature(master: bytes, name: str, domain: str) -> str:
    digest = signature(master, _PURPOSE, f"{name}@{domain.lower()}".encode("utf-8", "surrogatepass"))
    return b32encode(digest[:_OCTETS]).rstrip(b"=").decode().lower()
