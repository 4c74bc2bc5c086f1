"""Where a task's letters may go: its route, and for `mx` routes what DNS and MTA-STS say of the domain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from postroom.delivery.routing import Exchanger, Host, NoRoute, Route, Routes, Target, in_order
from postroom.delivery.sts import Mode, Policy
from postroom.delivery.task import DeliveryTask
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx, Resolver
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate, Verdict

MOST_HOSTS = 5  # of a domain's exchangers that one attempt asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Finds the target of a task."""

    routes: Routes
    resolver: Resolver
    shuffle: Callable[[list[Exchanger]], None]
    smtp_port: int = 25
    us: frozenset[str] = frozenset()  # our own names, in lower case
    policy: Callable[[str], Policy | None] = lambda _: None  # the MTA-STS policy of a domain; raises `Unavailable`

    def __call__(self, task: DeliveryTask) -> Target | Verdict:
        """Where the session may go, or the verdict on everybody where there is nowhere to go."""
        try:
            route = self.routes.named(task.route)
        except NoRoute as error:
            return Verdict("", Fate.DEFERRED, note=f"The routes table has changed: {error}", cause="no_route")
        if route.relay is not None:
            return Target(
                route=route.name,
                hosts=(Host(route.relay.host, route.relay.port),),
                security=route.security,
                implicit_tls=route.relay.implicit_tls,
                credentials=route.relay.credentials,
                depth=route.depth,
            )
        return self._exchangers(route, task.destination)

    def _exchangers(self, route: Route, domain: str) -> Target | Verdict:
        match self.resolver.exchangers(domain):
            case MxFound(exchangers):
                nearer = nearer_than_us(exchangers, self.us)
                if not nearer:  # RFC 5321 §5.1. It is for us to mend, so nobody's letter bounces for it.
                    names = ", ".join(sorted(self.us))
                    note = f"The MX of {domain} is ourselves, {names} (POSTROOM_HELO): give it a route of its own"
                    return Verdict("", Fate.DEFERRED, note=note, enhanced="4.4.6", cause="loop")
                return self._under_policy(route, domain, in_order(nearer, self.shuffle))
            case NullMx():  # RFC 7505 §3 and §4.1
                note = f"{domain} says by a null MX that it takes no mail"
                return Verdict("", Fate.REFUSED, note=note, enhanced="5.1.10", cause="null_mx")
            case NoDomain(why):
                return Verdict("", Fate.REFUSED, note=why, enhanced="5.1.2", cause="no_such_domain")
            case NoAnswer(why):
                return Verdict("", Fate.DEFERRED, note=why, cause="dns")

    def _under_policy(self, route: Route, domain: str, hosts: tuple[str, ...]) -> Target | Verdict:
        """RFC 8461 §5: under an enforced policy nobody else is asked, and nobody without a certificate to trust."""
        policy, security, note = self.policy(domain), route.security, None
        if policy is not None and policy.mode is not Mode.NONE:
            covered = tuple(host for host in hosts if policy.covers(host))
            others = ", ".join(host for host in hosts if host not in covered)
            if policy.mode is Mode.TESTING:
                note = f"{domain} tests an MTA-STS policy" + (f", which doesn't name {others}" if others else "")
            elif covered:
                hosts, security = covered, security.at_least(Security.VERIFY)
                note = f"{domain} enforces an MTA-STS policy" + (f", which doesn't name {others}" if others else "")
            else:
                why = f"{domain} enforces an MTA-STS policy, and it names none of its mail servers: {others}"
                return Verdict("", Fate.DEFERRED, note=why, cause="sts")
        return Target(
            route=route.name,
            hosts=tuple(Host(host, self.smtp_port) for host in hosts[:MOST_HOSTS]),
            security=security,
            depth=route.depth,
            note=note,
        )


def nearer_than_us(exchangers: Sequence[Exchanger], us: Collection[str]) -> list[Exchanger]:
    """Those that are preferred to ourselves: the others would hand the mail to us (RFC 5321 §5.1)."""
    ours = [each.preference for each in exchangers if each.host.lower() in us]
    return [each for each in exchangers if not ours or each.preference < min(ours)]
