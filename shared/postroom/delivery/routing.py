"""Which way a recipient's mail goes: the routes table, and the recipients of a letter grouped by next hop.

A route matches recipient domains by a glob; the first match wins. `mx` goes straight to the domain's own
servers (RFC 5321 §5.1), a relay takes everything that its route matches.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

from postroom.smtp.security import Credentials, Security

RELAY_PORTS = {"smtp": 587, "smtps": 465}


class RoutesError(ValueError):
    """The routes table can't be used; the text names every problem found."""


class NoRoute(ValueError):
    """No route carries mail for a domain, or there is no route of that name."""


@dataclass(frozen=True, slots=True)
class Relay:
    host: str
    port: int
    implicit_tls: bool = False
    credentials: Credentials | None = None

    @property
    def destination(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    name: str
    match: str = "*"
    relay: Relay | None = None  # None: the domain's own servers
    security: Security = Security.OPPORTUNISTIC
    queue: str = "default"
    sessions: int | None = None  # of its queue at once; None: as many as the workers can carry
    rate: float | None = None  # tasks a second of its queue; None: no limit
    depth: int = 1  # letters that may be in one flight, once a session has carried one

    def destination(self, domain: str) -> str:
        return self.relay.destination if self.relay else domain


@dataclass(frozen=True, slots=True)
class Host:
    """A server to ask, by name."""

    name: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one session may go: hosts in the order to try, and the least security that will do."""

    route: str
    hosts: tuple[Host, ...]
    security: Security
    implicit_tls: bool = False
    credentials: Credentials | None = None
    depth: int = 1  # letters that may be in one flight
    note: str | None = None  # what is to be said of each attempt besides


@dataclass(frozen=True, slots=True)
class Exchanger:
    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Routes:
    table: tuple[Route, ...]

    def for_domain(self, domain: str) -> Route:
        """The first route that matches `domain`, an A-label in lower case; raises `NoRoute`."""
        for route in self.table:
            if fnmatchcase(domain, route.match):
                return route
        raise NoRoute(f"no route carries mail for {domain}")

    def named(self, name: str) -> Route:
        """The route of that name; raises `NoRoute`."""
        for route in self.table:
            if route.name == name:
                return route
        raise NoRoute(f"there is no route named {name!r}")

    def group(self, domains: Iterable[str], name: str | None = None) -> dict[tuple[str, str], tuple[Route, list[int]]]:
        """Positions of `domains` by next hop, in the order of first appearance; raises `NoRoute`.

        The key is the route's name and the destination: what has the same key shares a session.
        """
        groups: dict[tuple[str, str], tuple[Route, list[int]]] = {}
        for position, domain in enumerate(domains):
            route = self.named(name) if name else self.for_domain(domain)
            key = (route.name, route.destination(domain))
            groups.setdefault(key, (route, []))[1].append(position)
        return groups


MX_FOR_EVERYTHING = Routes((Route(name="mx"),))


def in_order(exchangers: Sequence[Exchanger], shuffle: Callable[[list[Exchanger]], None]) -> tuple[str, ...]:
    """Hosts by preference, lowest first, equal ones in the order that `shuffle` leaves (RFC 5321 §5.1)."""
    drawn = list(exchangers)
    shuffle(drawn)
    return tuple(dict.fromkeys(each.host for each in sorted(drawn, key=lambda each: each.preference)))


# Reading the table.

_KNOWN = {"name", "match", "via", "tls", "class", "sessions", "rate", "depth"}
_NUMBERS = {"sessions", "rate", "depth"}
DEEPEST = 4
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def parse_routes(text: str, variables: Mapping[str, str]) -> Routes:
    """The routes table from its TOML text; `${NAME}` is looked up in `variables`. Raises `RoutesError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RoutesError(f"the routes table is not TOML: {error}") from error
    entries = document.get("route")
    if set(document) - {"route"} or not isinstance(entries, list) or not entries:
        raise RoutesError("the routes table must hold [[route]] entries and nothing else")
    problems: list[str] = []
    table: list[Route] = []
    for number, entry in enumerate(entries, 1):
        try:
            table.append(_route(entry, number, variables))
        except ValueError as error:
            problems.append(f"route {number}: {error}")
    names = [route.name for route in table]
    problems += [f"two routes are named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    limits: dict[str, tuple[int | None, float | None]] = {}
    for route in table:
        if limits.setdefault(route.queue, (route.sessions, route.rate)) != (route.sessions, route.rate):
            problems.append(f"routes of class {route.queue!r} differ in sessions or rate, which are the class's")
    if problems:
        raise RoutesError("; ".join(problems))
    return Routes(tuple(table))


def _route(entry: Mapping[str, Any], number: int, variables: Mapping[str, str]) -> Route:
    unknown = sorted(set(entry) - _KNOWN)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not a setting of a route (there are {', '.join(sorted(_KNOWN))})")
    for key, value in entry.items():
        if key not in _NUMBERS and not isinstance(value, str):
            raise ValueError(f"{key} must be a string")
    sessions, rate = entry.get("sessions"), entry.get("rate")
    if sessions is not None and (type(sessions) is not int or sessions < 1):
        raise ValueError("sessions must be a whole number, 1 or more")
    if rate is not None and (type(rate) not in (int, float) or not 0 < rate < 1e6):
        raise ValueError("rate must be a number of letters a second, more than 0")
    depth = entry.get("depth", 1)
    if type(depth) is not int or not 1 <= depth <= DEEPEST:
        raise ValueError(f"depth must be a whole number, 1 to {DEEPEST}")
    queue = entry.get("class", "default")
    if not re.fullmatch(r"[a-z0-9-]{1,40}", queue):
        raise ValueError("class must be 1 to 40 of a-z, 0-9 and -")
    if queue == "dead":
        raise ValueError("class can't be `dead`, which is the name of the dead letters' queue")
    match = entry.get("match", "*").lower()
    if not re.fullmatch(r"[a-z0-9.*?\[\]!_-]+", match):
        raise ValueError("match must be a domain, or a pattern of domains such as *.example.net")
    tls = entry.get("tls", "opportunistic")
    if tls not in list(Security):
        raise ValueError(f"tls must be one of {', '.join(Security)}")
    return Route(
        name=entry.get("name", f"route-{number}"),
        match=match,
        relay=_relay(entry.get("via", "mx"), variables),
        security=Security(tls),
        queue=queue,
        sessions=sessions,
        rate=None if rate is None else float(rate),
        depth=depth,
    )


def _relay(via: str, variables: Mapping[str, str]) -> Relay | None:
    if via == "mx":
        return None
    missing = [name for name in _VARIABLE.findall(via) if not variables.get(name)]
    if missing:
        raise ValueError(f"via names {', '.join(missing)}, which the environment doesn't set")
    # The parts are taken apart before the secret is put in: a password may hold any character.
    parts = urlsplit(via)
    if parts.scheme not in RELAY_PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError('via must be "mx" or a relay such as smtp://user:${PASSWORD}@relay.example.org:587')

    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda match: variables[match[1]], text) if "${" in text else unquote(text)

    credentials = None
    if parts.username is not None:
        credentials = Credentials(filled(parts.username), filled(parts.password or ""))
    return Relay(parts.hostname, parts.port or RELAY_PORTS[parts.scheme], parts.scheme == "smtps", credentials)
