"""The ways that letters leave by: port 25 of destinations, and relays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from postroom.delivery.routing import Approach, Host, NoRoute, Relay, Route, Routes, Target, in_order, preferred
from postroom.delivery.sts import Policy
from postroom.ports import MxFound, NoAnswer, Published, Visit
from postroom.preflight.check import Check, failed, passed, warned
from postroom.smtp.authentication import chosen
from postroom.smtp.security import Security

WELL_KNOWN = ("gmail.com", "outlook.com", "yahoo.com")
"""Domains whose servers are up whenever the network is."""

MOST_HOSTS = 2  # of a domain that are dialled

_CLOSED = frozenset({"connection_timeout", "connection_refused"})
_OURS = frozenset({"proxy", "source"})  # the trouble is on this side of every server


@dataclass(frozen=True, slots=True)
class Gate:
    """One way of dialling destinations ourselves: what the routes that use it have in common."""

    approach: Approach
    route: str  # the first that uses it


def gates(routes: Routes) -> tuple[Gate, ...]:
    found: dict[Approach, Gate] = {}
    for route in routes.table:
        if route.relay is None:
            found.setdefault(route.approach, Gate(route.approach, route.name))
    return tuple(found.values())


def relays(routes: Routes) -> tuple[tuple[Route, Relay], ...]:
    """Routes to relays with these, once where routes differ in nothing that a session shows."""
    found: dict[tuple[object, ...], tuple[Route, Relay]] = {}
    for route in routes.table:
        if route.relay is not None:
            found.setdefault((route.relay, route.security, route.approach), (route, route.relay))
    return tuple(found.values())


def relayed(route: Route, relay: Relay) -> Target:
    return Target(
        route=route.name,
        hosts=(Host(relay.host, relay.port),),
        security=route.security,
        implicit_tls=relay.implicit_tls,
        credentials=relay.credentials,
        approach=route.approach,
    )


def direct(published: Published, route: Route, domain: str, port: int) -> Target | str:
    """The domain's own servers, or why none can be named."""
    found = published.exchangers(domain)
    if not isinstance(found, MxFound):
        return found.why if isinstance(found, NoAnswer) else f"{domain} has no mail server"
    hosts = in_order(found.exchangers, lambda _: None)[:MOST_HOSTS]
    return Target(
        route=route.name,
        hosts=tuple(Host(each.host, port, each.preference) for each in hosts),
        security=route.security,
        approach=route.approach,
        vouched_for=domain if found.secure else None,
    )


def under(target: Target, policy: Policy) -> Target:
    """The target as an enforced MTA-STS policy leaves it (RFC 8461 §5)."""
    covered = tuple(host for host in target.hosts if policy.covers(host.name))
    return replace(target, hosts=covered or target.hosts, security=target.security.at_least(Security.VERIFY))


def route(published: Published, routes: Routes, domain: str) -> Route | Check:
    """The route that mail for `domain` takes."""
    try:
        named = routes.for_domain(domain)
    except NoRoute as error:
        return failed("route", f"{error}: add one to POSTROOM_ROUTES, such as one that matches *")
    found = published.exchangers(domain)
    servers = preferred(found.exchangers) if isinstance(found, MxFound) else ()
    return next((each for each in routes.by_servers(named, domain) if each.takes_servers(servers)), named)


def routed(route: Route, domain: str) -> Check:
    where = f"the relay {route.relay.destination}" if route.relay else "the domain's own servers"
    return passed("route", f"mail for {domain} takes the route {route.name}, to {where}")


def port_25(gate: Gate, visits: Sequence[Visit], untried: Sequence[str], port: int) -> Check:
    """Whether destinations can be dialled, by what came of `visits`; `untried` tells why others weren't."""
    by = f" through the proxy {gate.approach.proxy.host}" if gate.approach.proxy else ""
    through = [visit for visit in visits if visit.heard or visit.trouble is None]
    if through:
        return passed("port_25", f"port {port} of other hosts can be reached{by}: {through[0].place} answers")
    broken = [visit for visit in visits if visit.cause in _OURS]
    if broken:
        return failed("port_25", f"{broken[0].trouble}: nothing can be dialled by the route {gate.route}")
    closed = [visit for visit in visits if visit.cause in _CLOSED]
    if closed:  # of several domains, so that it is not one of them that is down
        tried = "; ".join(str(visit.trouble) for visit in closed[:3])
        return failed(
            "port_25",
            f"port {port} of other hosts can't be reached{by} ({tried}). Most clouds and home lines close it: have it "
            "opened, or send by a relay on port 587 (POSTROOM_ROUTES)",
        )
    why = "; ".join([*(str(visit.trouble) for visit in visits), *untried][:3]) or "there was nobody to dial"
    return warned("port_25", f"whether port {port} of other hosts can be reached can't be told: {why}")


def not_needed(names: Sequence[str]) -> Check:
    return passed("port_25", f"not needed: every route leads to a relay ({', '.join(names)})")


def relay(found: Visit, relay: Relay) -> Check:
    if found.trouble is not None:
        return failed("relay", f"{found.place}: {found.trouble}")
    tls = _tls(found)
    if relay.credentials is None:
        return passed("relay", f"{found.place} answers, {tls}; we show it no credentials")
    mechanism = chosen(relay.credentials, found.mechanisms)
    if mechanism is None:
        offered = ", ".join(sorted(found.mechanisms)) or "none"
        wanted = relay.credentials.mechanism.upper() if relay.credentials.mechanism else "PLAIN or LOGIN"
        return failed("relay", f"{found.place} answers, {tls}, and doesn't offer AUTH {wanted} (offered: {offered})")
    return passed("relay", f"{found.place} answers, {tls}, and offers AUTH {mechanism.upper()}; it was shown nothing")


def destination(found: Visit, domain: str) -> Check:
    """Whether the domain's own servers are ready for a letter of ours."""
    if found.trouble is not None:
        unsure = found.cause in ("dns", "forbidden_address")
        return (warned if unsure else failed)("destination", f"{domain}: {found.place}: {found.trouble}")
    return passed("destination", f"{domain}: {found.place} is ready for a letter, {_tls(found)}")


def _tls(found: Visit) -> str:
    if found.tls is None:
        return "in clear text"
    return f"under {found.tls.version} ({'verified' if found.tls.verified else 'its certificate not verified'})"
