"""What is published of a DKIM key, and whether it verifies what ours signs (RFC 6376 §3.6.1)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postroom.account.tags import BadTags, tags

RSA_SIZE = 2048  # bits that a signer should use, RFC 8301 §3.2
SHORTEST_RSA = 1024  # and must, the same section


class BadKey(ValueError):
    """Not the record of a key; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class DkimRecord:
    kind: str  # rsa or ed25519, or what else there may be
    public: bytes  # empty: the key is revoked
    hashes: frozenset[str] | None  # None: all
    services: frozenset[str]
    flags: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> DkimRecord:
        """Raises `BadKey`."""
        try:
            found = tags(text)
        except BadTags as error:
            raise BadKey(str(error)) from error
        if "v" in found and (found["v"] != "DKIM1" or next(iter(found)) != "v"):
            raise BadKey("v=DKIM1 must be its first tag")
        if "p" not in found:
            raise BadKey("it has no p=, the key itself")
        try:
            public = b64decode("".join(found["p"].split()), validate=True)
        except ValueError as error:
            raise BadKey("its p= is not base64") from error
        return cls(
            found.get("k", "rsa"),
            public,
            _list(found["h"]) if "h" in found else None,
            _list(found.get("s", "*")),
            _list(found.get("t", "")),
        )

    @property
    def bits(self) -> int:
        """How long an RSA key is. Raises `BadKey` where it is none."""
        return self._rsa().n.bit_length()

    def same_key(self, other: DkimRecord) -> bool:
        """Whether both are the same public key. RSA keys have two encodings in use, of which both are read."""
        if self.kind == other.kind == "rsa":
            try:
                return self._rsa() == other._rsa()
            except BadKey:
                return False
        return (self.kind, self.public) == (other.kind, other.public)

    def _rsa(self) -> rsa.RSAPublicNumbers:
        try:
            key = load_der_public_key(self.public)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadKey("its p= is not an RSA key") from error
        if not isinstance(key, rsa.RSAPublicKey):
            raise BadKey("its p= is not an RSA key")
        return key.public_numbers()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`flaw`: why signatures of ours fail, `doubt`: why a receiver may think little of them, or None."""

    flaw: str | None = None
    doubt: str | None = None


def compare(texts: Sequence[str], ours: str) -> Comparison:
    """The TXT records under a selector, beside the one that is to be published there."""
    if not texts:
        return Comparison("nothing is published there")
    if len(texts) > 1:  # RFC 6376 §3.6.2.2: what a verifier makes of several is not defined
        return Comparison(f"{len(texts)} TXT records are published there, and there must be one")
    try:
        published, wanted = DkimRecord.parse(texts[0]), DkimRecord.parse(ours)
    except BadKey as error:
        return Comparison(f"what is published there is not the record of a key: {error}")
    if not published.public:
        return Comparison("the key is revoked: its p= is empty")
    if not published.same_key(wanted):
        return Comparison("another key is published there")
    if published.hashes is not None and "sha256" not in published.hashes:
        return Comparison("its h= doesn't allow sha256")
    if not published.services & {"*", "email"}:
        return Comparison("its s= doesn't allow email")
    if published.kind == "rsa" and published.bits < SHORTEST_RSA:
        return Comparison(f"the key has {published.bits} bits, and verifiers take none below {SHORTEST_RSA}")
    if "y" in published.flags:
        return Comparison(doubt="its t=y says that it is a test, and that signatures are to be passed over")
    if published.kind == "rsa" and published.bits < RSA_SIZE:
        return Comparison(doubt=f"the key has {published.bits} bits, and {RSA_SIZE} are expected")
    return Comparison()


def _list(value: str) -> frozenset[str]:
    return frozenset(part.strip() for part in value.split(":") if part.strip())
