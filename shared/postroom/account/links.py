"""Signed links: whoever has one may read one thing for a while, and needs no API key for it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from postroom.account.master import is_one_of, signature

_PURPOSE = b"postroom signed links"
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
        expires, given = query.get("expires", ""), query.get("signature", "")
        if not (expires.isascii() and expires.isdigit() and len(expires) <= _LONGEST and given.isascii()):
            return False
        signed = is_one_of(given, (_signature(key, path, expires) for key in self.keys))
        return signed and now < datetime.fromtimestamp(int(expires), UTC)


def _signature(master: bytes, path: str, expires: str) -> str:
    return urlsafe_b64encode(signature(master, _PURPOSE, f"{expires}\n{path}".encode())).rstrip(b"=").decode()
