"""Signed links: whoever has one may read one thing for a while, and needs no API key for it."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

_PURPOSE = b"postroom signed links"  # the master keys have other uses, too
_LONGEST = 12  # digits of a moment


@dataclass(frozen=True, slots=True)
class Links:
    """Signs paths with the first of its keys; what any of them has signed is good, so that keys can be changed."""

    keys: tuple[bytes, ...] = field(repr=False)  # the master keys

    def query(self, path: str, until: datetime) -> Mapping[str, str]:
        """The parameters that make a link of the path. Its end is told in whole seconds."""
        expires = str(int(until.timestamp()))
        return {"expires": expires, "signature": _signature(self.keys[0], path, expires)}

    def good(self, path: str, query: Mapping[str, str], now: datetime) -> bool:
        """Whether these parameters are ours, and not over."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= _LONGEST and signature.isascii()):
            return False
        # All are compared, so that the time tells nothing of which key it was.
        signed = [hmac.compare_digest(_signature(key, path, expires), signature) for key in self.keys]
        return any(signed) and now < datetime.fromtimestamp(int(expires), UTC)


def _signature(master: bytes, path: str, expires: str) -> str:
    key = hmac.digest(master, _PURPOSE, "sha256")
    return urlsafe_b64encode(hmac.digest(key, f"{expires}\n{path}".encode(), "sha256")).rstrip(b"=").decode()
