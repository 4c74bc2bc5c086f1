"""The macros of SPF: names that are made from who is asking about whom (RFC 7208 §7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

LONGEST_NAME = 253  # characters, RFC 7208 §7.3

# RFC 7208 §7.1. The letters c, r and t stand in explanations alone, which nobody asks for here.
_EXPAND = r"%(?:[%_-]|\{[slodiphvSLODIPHV](?:[1-9][0-9]*|0[0-9]*[1-9][0-9]*)?[rR]?[.+,/_=-]*\})"
_STRING = re.compile(rf"(?:{_EXPAND}|[!-$&-~])*")
_DOMAIN = re.compile(
    rf"(?:{_EXPAND}|[!-$&-~])*(?:\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9]+-[A-Za-z0-9-]*[A-Za-z0-9])\.?|{_EXPAND})"
)
_MACRO = re.compile(
    r"%(?:(?P<sign>[%_-])|\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<at>[.+,/_=-]*)\})"
)
_SIGNS = {"%": "%", "_": " ", "-": "%20"}


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose mail it is: what the macros speak of."""

    address: IPv4Address | IPv6Address
    local: str
    domain: str  # of the return path
    helo: str


def is_string(text: str) -> bool:
    """Whether it is a macro-string."""
    return _STRING.fullmatch(text) is not None


def is_domain(text: str) -> bool:
    """Whether it is a domain-spec: a macro-string that ends as a name does, or in a macro."""
    return _DOMAIN.fullmatch(text) is not None


def expanded(text: str, sender: Sender, domain: str) -> str:
    """The name that a domain-spec stands for, `domain` being that of the record it is in."""
    name = _MACRO.sub(lambda match: _value(match, sender, domain), text).removesuffix(".")
    while len(name) > LONGEST_NAME and "." in name:
        name = name.partition(".")[2]
    return name.lower()


def _value(match: re.Match[str], sender: Sender, domain: str) -> str:
    if match["sign"]:
        return _SIGNS[match["sign"]]
    letter = match["letter"]
    parts = re.split(f"[{re.escape(match['at'] or '.')}]", _of(letter.lower(), sender, domain))
    if match["reverse"]:
        parts.reverse()
    if match["digits"]:
        parts = parts[-int(match["digits"]) :]
    value = ".".join(parts)
    return quote(value, safe="-._~") if letter.isupper() else value


def _of(letter: str, sender: Sender, domain: str) -> str:
    match letter:
        case "s":
            return f"{sender.local}@{sender.domain}"
        case "l":
            return sender.local
        case "o":
            return sender.domain
        case "d":
            return domain
        case "i" if sender.address.version == 6:
            return ".".join(sender.address.exploded.replace(":", ""))
        case "i":
            return str(sender.address)
        case "p":
            return "unknown"  # RFC 7208 §7.3 lets it be that where it can't be told, and advises nobody to use it
        case "v":
            return "ip6" if sender.address.version == 6 else "in-addr"
        case _:
            return sender.helo
