"""How a webhook's posts are signed, so that whoever hears them knows whom they are from: Standard Webhooks 1.0.

https://github.com/standard-webhooks/standard-webhooks, the symmetric scheme. Its headers come under both of the names
that receivers look for: the standard's own and those of the service that it grew out of.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime

SECRET = 32
"""Octets of a secret; the standard has 24 to 64."""

_PREFIX = "whsec_"
_FAMILIES = ("webhook", "svix")


def written(secret: bytes) -> str:
    """The secret as receivers are given it."""
    return _PREFIX + b64encode(secret).decode()


def headers(secrets: Sequence[bytes], id_: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """The headers of one post of an event, signed with each of the secrets.

    `id_` stays the same for all posts of one event; `at`, the post's own moment, doesn't.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((id_.encode(), timestamp.encode(), body))
    signatures = (b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
    said = {"id": id_, "timestamp": timestamp, "signature": " ".join(f"v1,{each}" for each in signatures)}
    return {f"{family}-{name}": value for family in _FAMILIES for name, value in said.items()}
