"""Reaching a server that is ready for MAIL: addresses asked and vetted, dialled in turn, introduced."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from functools import cache
from time import monotonic

from postroom.delivery.routing import Host, Target
from postroom.internet.connection import Connection, dial
from postroom.internet.deadlines import Deadlines
from postroom.internet.guard import Forbidden, Guard
from postroom.internet.hosts import Hosts
from postroom.internet.reached import Reached, Unreached, drive
from postroom.internet.resolver import DnsResolver, literal
from postroom.ports import Carried
from postroom.smtp.dialogue import Session
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Timeouts

MOST_ADDRESSES = 5  # that one attempt dials


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt to reach a target: what is asked of the session, and what this process goes by."""

    target: Target
    security: Security
    deadline: float  # monotonic
    hosts: Hosts
    deadlines: Deadlines


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
        last = Unreached(note="There was no server to ask", cause="unreachable")
        tried = 0
        for host in errand.target.hosts:
            addresses = await self._addresses(host)
            if isinstance(addresses, Unreached):
                last = addresses
                continue
            for address in addresses[: MOST_ADDRESSES - tried]:
                tried += 1
                found = await self._try(errand, host, address)
                if isinstance(found, Reached):
                    return found
                last = found
        return last

    async def _addresses(self, host: Host) -> list[str] | Unreached:
        try:
            found = literal(host.name) or await asyncio.to_thread(self._resolver.addresses, host.name)
        except LookupError as error:
            return _unreached(str(error), "dns", host.name)
        vetted: list[str] = []
        refusals: list[str] = []
        for address in found:
            try:
                vetted.append(self._guard.vet(address))
            except Forbidden as error:
                refusals.append(str(error))
        return vetted or _unreached(f"{host.name}: {'; '.join(refusals)}", "forbidden_address", host.name)

    async def _try(self, errand: Errand, host: Host, address: str) -> Reached | Unreached:
        target = errand.target
        found = await self._introduce(errand, host, address, clear_text=False)
        broken = isinstance(found, Unreached) and found.cause == "tls"
        opportunistic = errand.security is Security.OPPORTUNISTIC and target.credentials is None
        if broken and opportunistic and not target.implicit_tls:
            # RFC 7435 §3: better in clear text than not at all, where the policy is to take what there is.
            return await self._introduce(errand, host, address, clear_text=True)
        return found

    async def _introduce(self, errand: Errand, host: Host, address: str, *, clear_text: bool) -> Reached | Unreached:
        target, security, deadline = errand.target, errand.security, errand.deadline
        began = monotonic()
        place = f"[{address}]:{host.port}" if ":" in address else f"{address}:{host.port}"
        place = place if host.name == address else f"{host.name} ({place})"
        try:
            sock = await dial(address, host.port, min(self._timeouts.connect, deadline - began))
        except TimeoutError:
            return _unreached(f"{place} didn't answer in time", "connection_timeout", host.name, address)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            return _unreached(f"{place}: {why}", "connection_refused", host.name, address)
        connection = Connection(
            sock,
            host.name,
            self._context(security is Security.VERIFY),
            implicit_tls=target.implicit_tls,
            timeouts=self._timeouts,
            deadlines=errand.deadlines,
            began=began,
            deadline=deadline,
        )
        session = Session(
            self._helo,
            security,
            target.credentials,
            encrypted=target.implicit_tls,
            clear_text=clear_text,
            habits=errand.hosts.habits(host),
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
        return Unreached(note=failure.note, cause=failure.cause, reply=failure.reply, before=before)


def _unreached(note: str, cause: str, mx: str, address: str | None = None) -> Unreached:
    return Unreached(note=note, cause=cause, before=Carried(verdicts=(), mx=mx, address=address))


def _context(verify: bool, ca_file: str | None) -> ssl.SSLContext:
    if verify:
        return ssl.create_default_context(cafile=ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
