"""Sealing secrets to a public key, so that who stores them can't read them (HPKE, RFC 9180).

`submit` holds the public half and can seal; only `deliver` holds the private half. Base mode with
DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305; keys travel as the base64 of their 32 octets.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class SealError(ValueError):
    """A sealed secret can't be opened with this key and for this purpose, or a key isn't one."""


def seal(secret: bytes, public: str, purpose: str) -> str:
    """`secret` sealed for whoever holds the private half, as base64; `purpose` must be the same when opened."""
    key = X25519PublicKey.from_public_bytes(_key_octets(public))
    return b64encode(_SUITE.encrypt(secret, key, purpose.encode())).decode()


def unseal(sealed: str, private: str, purpose: str) -> bytes:
    """The secret. Raises `SealError`."""
    key = X25519PrivateKey.from_private_bytes(_key_octets(private))
    try:
        return bytes(_SUITE.decrypt(b64decode(sealed, validate=True), key, purpose.encode()))
    except (InvalidTag, ValueError) as error:
        raise SealError(f"a secret sealed for {purpose} doesn't open with this private key") from error


def pair(private: bytes) -> tuple[str, str]:
    """The public and the private key, as base64, from 32 octets of randomness."""
    key = X25519PrivateKey.from_private_bytes(private)
    return b64encode(key.public_key().public_bytes_raw()).decode(), b64encode(private).decode()


def _key_octets(text: str) -> bytes:
    try:
        octets = b64decode(text, validate=True)
    except ValueError as error:
        raise SealError("a sealing key must be base64") from error
    if len(octets) != 32:
        raise SealError(f"a sealing key must have 32 octets, not {len(octets)}")
    return octets
