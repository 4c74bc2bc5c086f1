"""Where a task's letters may go: its route, and for `mx` routes what DNS says of the domain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from postroom.delivery.routing import Exchanger, Host, NoRoute, Route, Routes, Target, in_order
from postroom.delivery.task import DeliveryTask
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx, Resolver
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
                hosts = in_order(nearer, self.shuffle)[:MOST_HOSTS]
                return Target(
                    route=route.name,
                    hosts=tuple(Host(host, self.smtp_port) for host in hosts),
                    security=route.security,
                    depth=route.depth,
                )
            case NullMx():  # RFC 7505 §3 and §4.1
                note = f"{domain} says by a null MX that it takes no mail"
                return Verdict("", Fate.REFUSED, note=note, enhanced="5.1.10", cause="null_mx")
            case NoDomain(why):
                return Verdict("", Fate.REFUSED, note=why, enhanced="5.1.2", cause="no_such_domain")
            case NoAnswer(why):
                return Verdict("", Fate.DEFERRED, note=why, cause="dns")


def nearer_than_us(exchangers: Sequence[Exchanger], us: Collection[str]) -> list[Exchanger]:
    """Those that are preferred to ourselves: the others would hand the mail to us (RFC 5321 §5.1)."""
    ours = [each.preference for each in exchangers if each.host.lower() in us]
    return [each for each in exchangers if not ours or each.preference < min(ours)]
