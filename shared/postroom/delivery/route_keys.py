"""What each key of a route may say. The texts of problems go on behind the key's name; each is a ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from postroom.delivery.actors import ROUTE
from postroom.delivery.notice import QUEUE as NOTIFY
from postroom.smtp.security import Security
from postroom.smtp.spelling import host_name, phases

DEEPEST = 4
MOST_LETTERS = 100  # of one session; it has the same limit of its own


def text_of(said: object) -> str:
    if not isinstance(said, str):
        raise ValueError("must be a string")
    return said


def _name(said: object) -> str:
    if not 1 <= len(name := text_of(said)) <= 100 or not name.isprintable():
        raise ValueError("must have 1 to 100 characters, on one line")
    if name == ROUTE:
        raise ValueError(f"can't be `{ROUTE}`, which is the name for the letters of the test domain")
    return name


def _pattern(said: object) -> str:
    pattern = text_of(said).lower()
    if not re.fullmatch(r"[a-z0-9.*?\[\]!_-]+", pattern):
        raise ValueError("must be a domain, or a pattern of domains such as *.example.net")
    return pattern


def _security(said: object) -> Security:
    if (policy := text_of(said)) not in list(Security):
        raise ValueError(f"must be one of {', '.join(Security)}")
    return Security(policy)


_TAKEN = {"dead": "the dead letters' queue", NOTIFY: "the queue of what webhooks are told"}


def _queue(said: object) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", queue := text_of(said)):
        raise ValueError("must be 1 to 40 of a-z, 0-9 and -")
    if (taken := _TAKEN.get(queue)) is not None:
        raise ValueError(f"can't be `{queue}`, which is the name of {taken}")
    return queue


def _whole(most: int | None = None) -> Callable[[object], int]:
    def read(said: object) -> int:
        if type(said) is not int or said < 1 or (most is not None and said > most):
            raise ValueError(f"must be a whole number, 1 {f'to {most}' if most else 'or more'}")
        return said

    return read


def _rate(said: object) -> float:
    if (type(said) is not int and type(said) is not float) or not 0 < said < 1e6:
        raise ValueError("must be a number of letters a second, more than 0")
    return float(said)


def _helo(said: object) -> str:
    try:
        return host_name(text_of(said))
    except ValueError as error:
        raise ValueError(f"must be a host name: {error}") from error


def _source(said: object) -> str:
    try:
        address = ip_address(text_of(said))
    except ValueError as error:
        raise ValueError(f"must be an IP address of this machine, such as 192.0.2.1: {error}") from error
    if address.is_unspecified or address.is_multicast or "%" in str(address):
        raise ValueError(f"must be an IP address of this machine, and {address} can't be one machine's")
    return str(address)


def _timeouts(said: object) -> tuple[tuple[str, float], ...]:
    try:
        return phases(text_of(said))
    except ValueError as error:
        raise ValueError(f"must be as in connect=5s,final=2m: {error}") from error


READERS: Mapping[str, Callable[[object], Any]] = {
    "name": _name,
    "match": _pattern,
    "mx": _pattern,
    "via": text_of,
    "tls": _security,
    "class": _queue,
    "sessions": _whole(),
    "rate": _rate,
    "depth": _whole(DEEPEST),
    "letters": _whole(MOST_LETTERS),
    "helo": _helo,
    "source": _source,
    "timeouts": _timeouts,
    "fallback": _name,
}
