"""One look: what is begun at once, what follows from it, and what is waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple

from postroom.account.domain import SendingDomain
from postroom.delivery.routing import Relay, Route, Routes
from postroom.delivery.sts import Mode, Policy
from postroom.ports import Published, Visit, Visits
from postroom.preflight import origin, recipient, sender, ways
from postroom.preflight.check import Check, warned
from postroom.preflight.side_by_side import begin, result

LATE = "no answer in time; look again"
VISIT = 8.0  # seconds of one visit, so that what follows from it has the rest

T = TypeVar("T")
Given = TypeVarTuple("Given")


@dataclass(frozen=True, kw_only=True)
class Look:
    visits: Visits
    published: Published
    monotonic: Callable[[], float]
    until: float  # monotonic
    routes: Routes
    helo: str
    smtp_port: int
    domains: Sequence[SendingDomain]
    return_path_domain: str | None
    blocklists: Sequence[str]
    dnssec: bool
    well_known: Sequence[str]
    _begun: list[tuple[str, str, Future[Check]]] = field(default_factory=list)

    def at(self, domain: str | None) -> tuple[Check, ...]:
        gates, relays = ways.gates(self.routes), ways.relays(self.routes)
        afar = {gate: [begin(self._call, _route(gate), name) for name in self.well_known] for gate in gates}
        near = [(relay, begin(self.visits.visit, ways.relayed(route, relay), VISIT)) for route, relay in relays]
        going = begin(self._way_to, domain) if domain is not None else None
        for each in self.domains:
            for key in each.in_force or each.current:
                self._begin("dkim", each.name, sender.dkim, self.published, each.name, key)
            self._begin("dmarc", each.name, sender.dmarc, self.published, each, self._return_path(each))
        if domain is not None:
            self._begin("mx", domain, recipient.mx, self.published, domain)
            self._begin("mta_sts", domain, recipient.mta_sts, self.published, domain)
            self._begin("dane", domain, recipient.dane, self.published, domain, self.smtp_port, self.dnssec)

        arrived = self._result(going) if going is not None else None
        found: list[Check] = []
        for gate, underway in afar.items():
            calls = [self._result(each) or LATE for each in underway]
            found += self._leaving(gate, [*calls, *_calls_through(gate, arrived)])
        if not gates:
            found.append(ways.not_needed([relay.destination for _, relay in relays]))
        visited = [(relay, self._result(underway)) for relay, underway in near]
        found += [_at_the_relay(relay, visit) for relay, visit in visited]
        if not gates:
            places = [(relay.destination, visit.address if visit else None) for relay, visit in visited]
            for name in self._return_paths():
                self._begin("spf", name, sender.spf_of_relays, self.published, name, places, self.helo)
        found += [sender.unsigned(each.name) for each in self.domains if not each.current]
        found += _on_the_way(domain, arrived)
        return (*found, *self._ended())

    # Going there.

    def _call(self, route: Route, domain: str) -> Visit | str:
        """A visit to the domain's own servers, or why there is none."""
        target = ways.direct(self.published, route, domain, self.smtp_port)
        return target if isinstance(target, str) else self.visits.visit(target, VISIT)

    def _way_to(self, domain: str) -> tuple[Route | Check, Visit | str]:
        route = ways.route(self.published, self.routes, domain)
        if isinstance(route, Check) or route.relay is not None:
            return route, ""
        target = ways.direct(self.published, route, domain, self.smtp_port)
        if isinstance(target, str):
            return route, target
        policy = self.published.policy(domain)
        if isinstance(policy, Policy) and policy.mode is Mode.ENFORCE:
            target = ways.under(target, policy)
        return route, self.visits.visit(target, VISIT)

    def _leaving(self, gate: ways.Gate, calls: Sequence[Visit | str]) -> Iterable[Check]:
        """What visits showed of us; what follows from the address that we come from is begun."""
        visits = [each for each in calls if isinstance(each, Visit)]
        untried = [each for each in calls if isinstance(each, str)]
        addresses, helo = origin.addresses(visits), gate.approach.helo or self.helo
        for address in addresses:
            self._begin("ptr", address, origin.ptr, self.published, address)
            self._begin("helo", address, origin.helo, self.published, address, helo)
            for zone in self.blocklists:
                self._begin("blocklist", zone, origin.blocklist, self.published, address, zone)
            for name in self._return_paths():
                self._begin("spf", name, sender.spf, self.published, name, address, helo)
        return ways.port_25(gate, visits, untried, self.smtp_port), origin.address(addresses, visits)

    def _return_paths(self) -> Sequence[str]:
        of_all = [self.return_path_domain] if self.return_path_domain else []
        return list(dict.fromkeys([*of_all, *map(self._return_path, self.domains)]))

    def _return_path(self, domain: SendingDomain) -> str:
        return domain.returns_to(self.return_path_domain) or domain.name

    # Side by side.

    def _begin(self, check: str, subject: str, work: Callable[[*Given], Check], *given: *Given) -> None:
        self._begun.append((check, subject, begin(work, *given)))

    def _ended(self) -> Iterable[Check]:
        """What came of all that was begun, the sender's and ours before the recipient's."""
        order = ("ptr", "helo", "blocklist", "spf", "dkim", "dmarc", "mx", "mta_sts", "dane")
        for check, subject, work in sorted(self._begun, key=lambda each: order.index(each[0])):
            found = self._result(work)
            yield found or warned(check, f"{subject}: {LATE}")

    def _result(self, work: Future[T]) -> T | None:
        """What came of it, None where the time was over before."""
        return result(work, self.until - self.monotonic())


def _route(gate: ways.Gate) -> Route:
    return Route(name=gate.route, approach=gate.approach)


def _calls_through(gate: ways.Gate, arrived: tuple[Route | Check, Visit | str] | None) -> list[Visit | str]:
    """The call at the recipient's domain, where it was made through this gate."""
    if arrived is None or isinstance(arrived[0], Check) or arrived[0].relay or arrived[0].approach != gate.approach:
        return []
    return [arrived[1]]


def _at_the_relay(relay: Relay, visit: Visit | None) -> Check:
    return ways.relay(visit, relay) if visit else warned("relay", f"{relay.destination}: {LATE}")


def _on_the_way(domain: str | None, arrived: tuple[Route | Check, Visit | str] | None) -> Iterable[Check]:
    if domain is None:
        return
    if arrived is None:
        yield warned("destination", f"{domain}: {LATE}")
    elif isinstance(arrived[0], Check):
        yield arrived[0]
    else:
        yield ways.routed(arrived[0], domain)
        if isinstance(arrived[1], Visit):
            yield ways.destination(arrived[1], domain)
