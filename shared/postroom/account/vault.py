"""Secrets that are kept for those who hold the master keys: webhooks' signing secrets, what a link tells in private.

AES-256-GCM under a key of its own for each purpose, which follows from a master key. The first of the master keys
encrypts, all of them decrypt, so that they can be changed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom.account.master import key_for

_NONCE = 12  # octets, as GCM wants them (NIST SP 800-38D §5.2.1.1)


class VaultError(ValueError):
    """What is to be opened wasn't closed with any of these keys and for this purpose."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Closes and opens. What is closed is ASCII that may stand in a URL."""

    keys: tuple[bytes, ...] = field(repr=False)  # the master keys
    randomness: Callable[[int], bytes]

    def close(self, secret: bytes, purpose: str) -> str:
        """The secret for whoever holds the keys; `purpose` must be the same when it is opened."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self.randomness(_NONCE)
        sealed = nonce + AESGCM(_key(self.keys[0], purpose)).encrypt(nonce, secret, None)
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, closed: str, purpose: str) -> bytes:
        """The secret. Raises `VaultError`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            sealed = urlsafe_b64decode(closed.encode("ascii") + b"=" * (-len(closed) % 4))
        except ValueError as error:  # UnicodeEncodeError and binascii.Error are ValueErrors
            raise VaultError(f"what is to be opened for {purpose} isn't base64") from error
        for key in self.keys:
            try:
                return AESGCM(_key(key, purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
            except (InvalidTag, ValueError):
                continue
        raise VaultError(f"what is to be opened for {purpose} wasn't closed with any of the master keys")


def _key(master: bytes, purpose: str) -> bytes:
    return key_for(master, b"postroom vault: " + purpose.encode())
