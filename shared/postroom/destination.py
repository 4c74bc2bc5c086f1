"""Where a task's letters may go: its route, and for `mx` routes what DNS and MTA-STS say of the domain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from postroom.delivery.routing import Exchanger, Host, NoRoute, Route, Routes, Target, in_order, preferred
from postroom.delivery.sts import Mode, Policy
from postroom.delivery.task import DeliveryTask
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx, Resolver, Unavailable
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate, Verdict

MOST_HOSTS = 5  # of a domain's exchangers that one attempt asks


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another route takes the task's letters, now that it is known where they go; those that name a route stay."""

    route: Route
    here: Target | Verdict  # for those that stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Finds the target of a task."""

    routes: Routes
    resolver: Resolver
    shuffle: Callable[[list[Exchanger]], None]
    smtp_port: int = 25
    us: frozenset[str] = frozenset()  # our own names, in lower case
    policy: Callable[[str], Policy | None] = lambda _: None  # the MTA-STS policy of a domain; raises `Unavailable`

    def __call__(self, task: DeliveryTask) -> Target | Verdict | Elsewhere:
        """Where the session may go, or the verdict on everybody where there is nowhere to go."""
        actors = self.routes.actors
        if actors is not None and actors.act(task.destination):
            return Target(route=task.route, hosts=(), security=Security.OPPORTUNISTIC, acted=True)
        try:
            route = self.routes.named(task.route)
        except NoRoute as error:
            return Verdict("", Fate.DEFERRED, note=f"The routes table has changed: {error}", cause="no_route")
        here = self._here(route, task.destination)
        candidates = self.routes.by_servers(route, task.destination) if _is_domain(task.destination) else ()
        servers = self._servers(task.destination) if candidates else ()
        taking = next((each for each in candidates if each.takes_servers(servers)), None)
        return here if taking is None else Elsewhere(taking, here)

    def has_fallback(self, task: DeliveryTask) -> bool:
        """Whether another route takes the place of the task's."""
        try:
            return self.routes.named(task.route).fallback is not None
        except NoRoute:
            return False

    def _servers(self, domain: str) -> tuple[str, ...]:
        """The servers that a domain prefers; none where DNS knows of none."""
        found = self.resolver.exchangers(domain)
        return preferred(found.exchangers) if isinstance(found, MxFound) else ()

    def _here(self, route: Route, destination: str) -> Target | Verdict:
        """The route's own target, with those that take its place where none of its servers can be reached."""
        here = self._alone(route, destination)
        if route.fallback is None:
            return here
        try:
            fallback = self._here(self.routes.named(route.fallback), destination)
        except Unavailable:
            return here  # what is known of the fallback's servers can't be read, and they may not be needed
        if isinstance(fallback, Verdict):
            return here
        if isinstance(here, Target):
            # Whoever takes its place is trusted with the letter under no less.
            least = fallback.security.at_least(here.security)
            return replace(here, fallback=replace(fallback, security=least))
        return fallback if here.cause == "dns" else here  # that a server can't be found is no word of anybody's

    def _alone(self, route: Route, destination: str) -> Target | Verdict:
        if route.relay is not None:
            return Target(
                route=route.name,
                hosts=(Host(route.relay.host, route.relay.port),),
                security=route.security,
                implicit_tls=route.relay.implicit_tls,
                credentials=route.relay.credentials,
                depth=route.depth,
                approach=route.approach,
            )
        if not _is_domain(destination):
            note = (
                f"The routes table has changed: {route.name} led to the relay {destination}, which it doesn't any more"
            )
            return Verdict("", Fate.DEFERRED, note=note, cause="no_route")
        return self._exchangers(route, destination)

    def _exchangers(self, route: Route, domain: str) -> Target | Verdict:
        match self.resolver.exchangers(domain):
            case MxFound(exchangers, secure):
                nearer = nearer_than_us(exchangers, self.us)
                if not nearer:  # RFC 5321 §5.1. It is for us to mend, so nobody's letter bounces for it.
                    names = ", ".join(sorted(self.us))
                    note = f"The MX of {domain} is ourselves, {names} (POSTROOM_HELO): give it a route of its own"
                    return Verdict("", Fate.DEFERRED, note=note, enhanced="4.4.6", cause="loop")
                target = self._under_policy(route, domain, in_order(nearer, self.shuffle))
                return replace(target, vouched_for=domain) if secure and isinstance(target, Target) else target
            case NullMx():  # RFC 7505 §3 and §4.1
                note = f"{domain} says by a null MX that it takes no mail"
                return Verdict("", Fate.REFUSED, note=note, enhanced="5.1.10", cause="null_mx")
            case NoDomain(why):
                return Verdict("", Fate.REFUSED, note=why, enhanced="5.1.2", cause="no_such_domain")
            case NoAnswer(why):
                return Verdict("", Fate.DEFERRED, note=why, cause="dns")

    def _under_policy(self, route: Route, domain: str, found: tuple[Exchanger, ...]) -> Target | Verdict:
        """RFC 8461 §5: under an enforced policy nobody else is asked, and nobody without a certificate to trust."""
        policy, security, note = self.policy(domain), route.security, None
        if policy is not None and policy.mode is not Mode.NONE:
            covered = tuple(each for each in found if policy.covers(each.host))
            others = ", ".join(each.host for each in found if each not in covered)
            if policy.mode is Mode.TESTING:
                note = f"{domain} tests an MTA-STS policy" + (f", which doesn't name {others}" if others else "")
            elif covered:
                found, security = covered, security.at_least(Security.VERIFY)
                note = f"{domain} enforces an MTA-STS policy" + (f", which doesn't name {others}" if others else "")
            else:
                why = f"{domain} enforces an MTA-STS policy, and it names none of its mail servers: {others}"
                return Verdict("", Fate.DEFERRED, note=why, cause="sts")
        return Target(
            route=route.name,
            hosts=tuple(Host(each.host, self.smtp_port, each.preference) for each in found[:MOST_HOSTS]),
            security=security,
            depth=route.depth,
            approach=route.approach,
            note=note,
        )


def nearer_than_us(exchangers: Sequence[Exchanger], us: Collection[str]) -> list[Exchanger]:
    """Those that are preferred to ourselves: the others would hand the mail to us (RFC 5321 §5.1)."""
    ours = [each.preference for each in exchangers if each.host.lower() in us]
    return [each for each in exchangers if not ours or each.preference < min(ours)]


def _is_domain(destination: str) -> bool:
    """Whether it is a recipients' domain, and not a relay's host and port."""
    return ":" not in destination
