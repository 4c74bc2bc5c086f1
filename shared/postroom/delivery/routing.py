"""Which way a recipient's mail goes: the routes table, and the recipients of a letter grouped by next hop.

A route matches recipient domains by a glob, or the names of the servers that a domain's mail goes to; the first
match wins. `mx` goes straight to the domain's own servers (RFC 5321 §5.1), a relay takes everything that its route
matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from postroom.delivery.actors import ROUTE, Actors
from postroom.smtp.security import Credentials, Security


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


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS5 server that connects for us, with a user's name and password where it wants them (RFC 1928, 1929)."""

    host: str
    port: int
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """How the sessions of a route are gone about. Where two differ in any of it, they share no session."""

    helo: str | None = None  # what we call ourselves; None: as everywhere
    source: str | None = None  # the address of ours that we dial from; None: the system chooses
    proxy: Proxy | None = None
    letters: int | None = None  # of one session at most, below the session's own limit
    timeouts: tuple[tuple[str, float], ...] = ()  # seconds by phase, in place of what is set for all routes


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    name: str
    match: str = "*"  # recipients' domains
    mx: str | None = None  # and where their mail goes: the names of a domain's preferred servers
    relay: Relay | None = None  # None: the domain's own servers
    security: Security = Security.OPPORTUNISTIC
    queue: str = "default"
    sessions: int | None = None  # of its queue at once; None: as many as the workers can carry
    rate: float | None = None  # letters a second of its queue; None: no limit
    depth: int = 1  # letters that may be in one flight, once a session has carried one
    approach: Approach = Approach()
    fallback: str | None = None  # the route that takes over where no server of this one can be reached

    @property
    def carries(self) -> str:
        """What it carries, as it is told to people."""
        return self.match if self.mx is None else f"{self.match} at {self.mx}"

    def takes(self, domain: str) -> bool:
        return fnmatchcase(domain, self.match)

    def takes_servers(self, hosts: Sequence[str]) -> bool:
        """Whether mail that goes to `hosts`, a domain's preferred servers, is this route's."""
        return self.mx is not None and bool(hosts) and all(fnmatchcase(host.lower(), self.mx) for host in hosts)


@dataclass(frozen=True, slots=True)
class Host:
    """A server to ask, by name."""

    name: str
    port: int
    preference: int = field(default=0, compare=False)  # those of a lower one are asked first


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one session may go: hosts in the order to try, and the least security that will do."""

    route: str
    hosts: tuple[Host, ...]
    security: Security
    implicit_tls: bool = False
    credentials: Credentials | None = None
    depth: int = 1  # letters that may be in one flight
    approach: Approach = Approach()
    fallback: Target | None = None  # where letters go that none of the hosts has heard of, when none can be reached
    note: str | None = None  # what is to be said of each attempt besides
    acted: bool = False  # nothing is dialled: the recipients act out their parts
    vouched_for: str | None = None  # the domain whose hosts these are, where DNSSEC vouches for that

    @property
    def best(self) -> frozenset[Host]:
        """Those that nobody is preferred to."""
        first = min((host.preference for host in self.hosts), default=0)
        return frozenset(host for host in self.hosts if host.preference == first)


@dataclass(frozen=True, slots=True)
class Exchanger:
    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Routes:
    table: tuple[Route, ...]
    actors: Actors | None = None  # whose letters no route carries

    @property
    def helos(self) -> tuple[str, ...]:
        """The names that its routes have for us."""
        return tuple(route.approach.helo for route in self.table if route.approach.helo is not None)

    @property
    def rated(self) -> frozenset[str]:
        """The queues whose letters are counted."""
        return frozenset(route.queue for route in self.table if route.rate is not None)

    def for_domain(self, domain: str) -> Route:
        """The first route that takes `domain`, an A-label in lower case, by its name alone; raises `NoRoute`."""
        for route in self.table:
            if route.mx is None and route.takes(domain):
                return route
        raise NoRoute(f"no route carries mail for {domain}")

    def by_servers(self, route: Route, domain: str) -> tuple[Route, ...]:
        """The routes in front of `route` that would take the mail of `domain` if it went to the right servers."""
        before = self.table[: self.table.index(route)]
        return tuple(each for each in before if each.mx is not None and each.takes(domain))

    def named(self, name: str) -> Route:
        """The route of that name; raises `NoRoute`."""
        for route in self.table:
            if route.name == name:
                return route
        raise NoRoute(f"there is no route named {name!r}")

    def _acted(self, domain: str) -> Route:
        """The route that isn't one, in a class that there is a queue for: that of the domain's own, or the first."""
        own = (route for route in self.table if route.mx is None and route.takes(domain))
        return Route(name=ROUTE, match=domain, queue=next(own, self.table[0]).queue)

    def _relay_alone(self, route: Route) -> Relay | None:
        """The route's relay, where nothing that may take its place goes to a domain's own servers."""
        each = route
        while each.relay is not None and each.fallback is not None:
            each = self.named(each.fallback)
        return route.relay if each.relay is not None else None

    def group(self, domains: Iterable[str], name: str | None = None) -> dict[tuple[str, str], tuple[Route, list[int]]]:
        """Positions of `domains` by next hop, in the order of first appearance; raises `NoRoute`.

        The key is the route's name and the destination: what has the same key shares a session. A domain stays by
        itself also on a relay's route where its servers decide whether another route takes it.
        """
        groups: dict[tuple[str, str], tuple[Route, list[int]]] = {}
        chosen = self.named(name) if name else None
        for position, domain in enumerate(domains):
            if self.actors is not None and self.actors.act(domain):
                groups.setdefault((ROUTE, domain), (self._acted(domain), []))[1].append(position)
                continue
            route = chosen or self.for_domain(domain)
            undecided = name is None and bool(self.by_servers(route, domain))
            relay = None if undecided else self._relay_alone(route)
            destination = relay.destination if relay else domain
            groups.setdefault((route.name, destination), (route, []))[1].append(position)
        return groups


MX_FOR_EVERYTHING = Routes((Route(name="mx"),))


def preferred(exchangers: Sequence[Exchanger]) -> tuple[str, ...]:
    """The hosts of the lowest preference: where a domain's mail goes (RFC 5321 §5.1)."""
    lowest = min((each.preference for each in exchangers), default=0)
    return tuple(each.host for each in exchangers if each.preference == lowest)


def in_order(exchangers: Sequence[Exchanger], shuffle: Callable[[list[Exchanger]], None]) -> tuple[Exchanger, ...]:
    """By preference, lowest first, equal ones in the order that `shuffle` leaves, each host once (RFC 5321 §5.1)."""
    drawn = list(exchangers)
    shuffle(drawn)
    first: dict[str, Exchanger] = {}
    for each in sorted(drawn, key=lambda each: each.preference):
        first.setdefault(each.host, each)
    return tuple(first.values())
