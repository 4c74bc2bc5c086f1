"""One setting, and how each kind of value is read. Every reader raises ValueError with what was expected."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from postroom.account.spf.record import mechanisms
from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import Routes
from postroom.message.address import parse_domain
from postroom.smtp.spelling import host_name, phases, positive
from postroom.smtp.timeouts import Timeouts

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Setting:
    """How one field is set: its variable, its default as an operator would write it, and what it means."""

    variable: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    secret: bool = False

    @property
    def name(self) -> str:
        """The name in a settings file: `POSTROOM_RETRY_SCHEDULE` is `retry_schedule` there."""
        return self.variable.removeprefix("POSTROOM_").lower()


SHORTEST_KEY = 16


def durations(text: str) -> tuple[timedelta, ...]:
    return tuple(positive(part) for part in text.split(","))


def timeouts(text: str) -> Timeouts:
    return Timeouts(**dict(phases(text)))


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def yes_or_no(text: str) -> bool:
    return one_of("true", "false")(text.strip().lower()) == "true"


def port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port")
    return int(text)


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not re.fullmatch(r"[0-9]{1,9}", text.strip()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def address(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]+)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not host:port, with an IPv6 address in brackets")
    return match[1] or match[2], 0 if match[3] == "0" else port(match[3])


def in_url(host: str) -> str:
    """How a host stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def resolvers(text: str) -> tuple[tuple[str, int], ...]:
    return tuple(_resolver(part.strip()) for part in text.split(","))


def _resolver(text: str) -> tuple[str, int]:
    try:
        return str(ip_address(text)), 53
    except ValueError:
        host, number = address(text)
        return str(ip_address(host)), number


def networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def host_names(text: str) -> tuple[str, ...]:
    return tuple(host_name(part.strip()).lower() for part in text.split(",") if part.strip())


def domain(text: str) -> str:
    """A recipients' domain, as an A-label in lower case."""
    try:
        return parse_domain(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} can't be a domain of recipients: {error}") from error


def routes(text: str) -> Routes:
    """A file of that name, or else the table itself."""
    if "[[" in text:
        return parse_routes(text, os.environ)
    try:
        table = Path(text).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"the routes file {text} can't be read: {why}") from error
    return parse_routes(table, os.environ, file=text)


def url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text.strip()):
        raise ValueError(f"{text!r} is not an address that begins with http:// or https://")
    return text.strip()


def master_keys(text: str) -> tuple[bytes, ...]:
    """Keys of 32 octets each. The text of an error doesn't repeat them."""
    try:
        keys = tuple(b64decode(part.strip(), validate=True) for part in text.split(","))
    except ValueError:
        keys = ()
    if not keys or any(len(each) != 32 for each in keys):
        raise ValueError("each key must be 32 octets in base64, as `openssl rand -base64 32` prints them")
    return keys


def key(text: str) -> str:
    if len(text.strip()) < SHORTEST_KEY:
        raise ValueError(f"an API key must have {SHORTEST_KEY} characters at least, or it can be guessed")
    return text.strip()


def certificates(text: str) -> str:
    """A PEM file with at least one certificate."""
    try:
        pem = Path(text).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{text} can't be read as a PEM file: {error}") from error
    if "-----BEGIN CERTIFICATE-----" not in pem:
        raise ValueError(f"{text} holds no certificate in PEM")
    return text


def spf_mechanisms(text: str) -> tuple[str, ...]:
    return mechanisms(text.strip())


def some(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()
