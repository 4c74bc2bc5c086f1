"""A URL that may be asked for, taken apart once, so that who is vetted is who is spoken to."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Strict on purpose: where two readers of a URL may differ (a name before an @, a backslash, a space, an escape in the
# host), it is refused. The characters of path and query are those that stand in a request line as they are.
_URL = re.compile(
    r"(?P<scheme>https?)://(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!-\"$->@-\[\]-~]*)?(?P<query>\?[!-\"$-\[\]-~]*)?(?:#[!-~]*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class BadUrl(ValueError):
    """Not a URL that may be asked for; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Url:
    secure: bool
    host: str  # in lower case; an IPv6 address without its brackets
    port: int
    target: str  # path and query, as the request line has them

    @classmethod
    def parse(cls, text: str) -> Url:
        """An http or https URL in ASCII, without a user's name. Raises `BadUrl`."""
        match = _URL.fullmatch(text)
        if match is None:
            raise BadUrl(f"{text[:200]!r} is not a URL such as https://example.org/path")
        host, secure = (match["address"] or match["host"]).lower(), match["scheme"].lower() == "https"
        # RFC 1035 §2.3.4 limits names and labels.
        if match["host"] and (len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split("."))):
            raise BadUrl(f"{host[:200]!r} is not a host name")
        port = int(match["port"] or (443 if secure else 80))
        if not 1 <= port <= 65535:
            raise BadUrl(f"{port} is not a port")
        return cls(secure, host, port, (match["path"] or "/") + (match["query"] or ""))

    @property
    def authority(self) -> str:
        """What the Host field says: the port only where it isn't the scheme's own (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"
