"""Reaching a server that is ready for MAIL: addresses asked and vetted, dialled in turn, introduced."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from ssl import SSLObject
from time import monotonic
from typing import TypeVar

from postroom.delivery.routing import Host, Target
from postroom.internet.connection import Connection
from postroom.internet.deadlines import Deadlines
from postroom.internet.dial import Road, Unconnected, dial
from postroom.internet.guard import Forbidden, Guard
from postroom.internet.hosts import Hosts
from postroom.internet.reached import Reached, Unreached, drive
from postroom.internet.resolver import DnsResolver, literal
from postroom.ports import Carried
from postroom.smtp.dialogue import Session
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Timeouts

T = TypeVar("T")

MOST_ADDRESSES = 5  # that one attempt dials


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt to reach a target: what is asked of the session, and what this process goes by."""

    target: Target
    security: Security
    deadline: float  # monotonic
    hosts: Hosts
    deadlines: Deadlines

    def unreached(
        self, note: str, cause: str, mx: str | None = None, address: str | None = None, *, hopeless: bool = False
    ) -> Unreached:
        before = Carried(verdicts=(), mx=mx, address=address)
        return Unreached(note=note, cause=cause, route=self.target.route, before=before, hopeless=hopeless)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a session with one host must have, and what is to be said against what the host has shown."""

    security: Security
    objection: Callable[[SSLObject], str | None] | None = None


class Reach:
    """Connects to a target, one address after another, at most `MOST_ADDRESSES`."""

    def __init__(
        self,
        *,
        helo: str,
        timeouts: Timeouts,
        resolver: DnsResolver,
        guard: Guard,
        ca_file: str | None = None,
    ) -> None:
        self._helo = helo
        self._timeouts = timeouts
        self._resolver = resolver
        self._guard = guard
        self._context = cache(lambda verify: _context(verify, ca_file))  # building one costs 17 ms: share them

    async def __call__(self, errand: Errand) -> Reached | Unreached:
        road = await self._road(errand)
        if isinstance(road, Unreached):
            return road
        last = errand.unreached("There was no server to ask", "unreachable")
        tried = 0
        for host in errand.target.hosts:
            addresses = await self._addresses(errand, host, None if road.proxy else road.source)
            if isinstance(addresses, Unreached):
                last = addresses
                continue
            demand = await self._demand(errand, host)
            if isinstance(demand, Unreached):
                last = demand
                continue
            for address in addresses[: MOST_ADDRESSES - tried]:
                tried += 1
                found = await self._try(errand, road, host, address, demand)
                if isinstance(found, Reached) or found.hopeless:
                    return found
                last = found
        return last

    async def _demand(self, errand: Errand, host: Host) -> Demand | Unreached:
        """What is demanded of a host: as much as was asked for, and what it demands of us itself by DANE (RFC 7672)."""
        domain = errand.target.vouched_for
        if domain is None:
            return Demand(errand.security)
        try:
            published = await self._resolved(errand, self._resolver.published, host.name, host.port)
        except LookupError as error:
            return errand.unreached(str(error), "dns", host.name)
        if not published.records:
            return Demand(errand.security)
        from postroom.internet.dane import chain_of, objection, usable

        records = usable(published.records)
        if not records:  # RFC 7672 §2.2: whatever they mean, the host has TLS
            return Demand(errand.security.at_least(Security.REQUIRE))
        names = tuple(dict.fromkeys((published.name, host.name, domain)))

        def objected(session: SSLObject) -> str | None:
            return objection(records, chain_of(session), names, datetime.now(UTC))

        # It takes the place of the public authorities (RFC 7672 §2.1, RFC 8461 §2).
        return Demand(Security.VERIFY, objected)

    async def _resolved(self, errand: Errand, ask: Callable[..., T], *about: object) -> T:
        """What DNS says, by the deadline. Raises `LookupError`."""
        try:
            async with asyncio.timeout(errand.deadline - monotonic()):
                return await asyncio.to_thread(ask, *about)
        except TimeoutError as error:
            raise LookupError(f"DNS didn't answer about {about[0]} in time") from error

    async def _road(self, errand: Errand) -> Road | Unreached:
        """How to get to its hosts: where by a proxy, this one's addresses are asked for and vetted like any."""
        proxy, source = errand.target.approach.proxy, errand.target.approach.source
        if proxy is None:
            return Road(source)
        found = await self._addresses(errand, Host(proxy.host, proxy.port), source)
        if isinstance(found, Unreached):
            return replace(found, note=f"The proxy: {found.note}", cause="proxy", before=None)
        return Road(source, proxy, found)

    async def _addresses(self, errand: Errand, host: Host, source: str | None) -> Sequence[str] | Unreached:
        """The host's vetted addresses, those that can be dialled from `source`."""
        try:
            if literal(host.name):  # no question to anybody, so nothing to wait for
                vetted = self._guard.addresses(host.name, literal)
            else:
                vetted = await self._resolved(errand, self._guard.addresses, host.name, self._resolver.addresses)
        except LookupError as error:
            return errand.unreached(str(error), "dns", host.name)
        except Forbidden as error:
            return errand.unreached(str(error), "forbidden_address", host.name)
        alike = [address for address in vetted if source is None or (":" in address) == (":" in source)]
        note = f"{host.name} has no address of the kind of {source}, which this route dials from"
        return alike or errand.unreached(note, "source", host.name)

    async def _try(self, errand: Errand, road: Road, host: Host, address: str, demand: Demand) -> Reached | Unreached:
        target = errand.target
        opportunistic = demand.security is Security.OPPORTUNISTIC and target.credentials is None
        opportunistic = opportunistic and not target.implicit_tls
        if opportunistic and errand.hosts.has_broken_tls(host):
            broken = errand.unreached("STARTTLS broke within the hour", "tls", host.name, address)
            return await self._introduce(errand, road, host, address, demand, broken=broken)
        found = await self._introduce(errand, road, host, address, demand)
        if isinstance(found, Reached) or found.cause != "tls" or not opportunistic:
            return found
        # RFC 7435 §3: better in clear text than not at all, where the policy is to take what there is.
        again = await self._introduce(errand, road, host, address, demand, broken=found)
        if isinstance(again, Reached):
            errand.hosts.tls_broke(host)
        return again if isinstance(again, Reached) or again.reply is not None else found

    async def _introduce(
        self, errand: Errand, road: Road, host: Host, address: str, demand: Demand, *, broken: Unreached | None = None
    ) -> Reached | Unreached:
        """Dial and introduce ourselves; in clear text where TLS was `broken` before, which is remembered."""
        target, security, deadline = errand.target, demand.security, errand.deadline
        timeouts = replace(self._timeouts, **dict(target.approach.timeouts))
        began = monotonic()
        try:
            sock = await dial(host.name, address, host.port, road, min(timeouts.connect, deadline - began))
        except Unconnected as error:
            return errand.unreached(str(error), error.cause, host.name, address, hopeless=error.hopeless)
        connection = Connection(
            sock,
            host.name,
            self._context(security is Security.VERIFY and demand.objection is None),
            implicit_tls=target.implicit_tls,
            objection=demand.objection,
            before=broken.before.transcript if broken is not None and broken.before is not None else (),
            timeouts=timeouts,
            deadlines=errand.deadlines,
            began=began,
            deadline=deadline,
        )
        session = Session(
            target.approach.helo or self._helo,
            security,
            target.credentials,
            encrypted=target.implicit_tls,
            clear_text=broken is not None,
            habits=errand.hosts.habits(host),
            most=target.approach.letters,
        )
        try:
            failure = await drive(session.introduce(), connection)
            reached = Reached(host, address, session, connection, len(connection.transcript))
            if failure is None:
                return reached
            await drive(session.farewell(), connection)
        except BaseException:
            connection.close()
            raise
        connection.close()
        before = reached.carried((), connection.transcript.lines())
        return Unreached(note=failure.note, cause=failure.cause, route=target.route, reply=failure.reply, before=before)


def _context(verify: bool, ca_file: str | None) -> ssl.SSLContext:
    if verify:
        return ssl.create_default_context(cafile=ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
