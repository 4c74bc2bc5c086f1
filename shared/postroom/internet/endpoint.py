"""A webhook's endpoint: a URL that may hold the credentials of HTTP's basic authentication (RFC 7617)."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from postroom.internet.guard import Guard
from postroom.internet.url import BadUrl, Url

LONGEST = 2000  # characters

# RFC 3986 §3.2.1, but both parts have to be there: https://bank.example@other.example is a trap for who reads it.
_CREDENTIALS = re.compile(
    r"(?P<scheme>https?://)(?P<user>[A-Za-z0-9._~!$&'()*+,;=%-]+):(?P<password>[A-Za-z0-9._~!$&'()*+,;=:%-]+)@(?P<rest>.+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str  # without the credentials: what may be shown
    secure: bool  # TLS
    authorization: str | None = field(default=None, repr=False)  # what that header says

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Raises `BadUrl`, which doesn't quote credentials."""
        if len(text) > LONGEST:
            raise BadUrl(f"a URL may hold at most {LONGEST} characters")
        match = _CREDENTIALS.fullmatch(text)
        if match is None:
            if "@" in text.partition("://")[2].partition("/")[0]:
                raise BadUrl("what stands before the @ of a URL must be a user and a password, such as user:password@")
            return cls(text, Url.parse(text).secure)
        url = match["scheme"] + match["rest"]
        pair = b":".join(map(unquote_to_bytes, (match["user"], match["password"])))
        return cls(url, Url.parse(url).secure, f"Basic {b64encode(pair).decode()}")

    def check(self, guard: Guard) -> None:
        """Raises `Forbidden` where its host is an address that no post would ever go to."""
        (guard if self.secure else guard.without_public()).check(Url.parse(self.url).host)
