"""Reaching a server that is ready for MAIL: addresses asked and vetted, dialled in turn, introduced."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import TypeVar

from postroom.delivery.routing import Host, Target
from postroom.internet.connection import Connection, dial
from postroom.internet.guard import Forbidden, Guard
from postroom.internet.resolver import DnsResolver, literal
from postroom.ports import Carried
from postroom.smtp.commands import Content
from postroom.smtp.dialogue import Flight, Heard, Mail, Session
from postroom.smtp.reply import Reply
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.transcript import Line
from postroom.smtp.verdict import Fate, Lost, Verdict

T = TypeVar("T")

MOST_ADDRESSES = 5  # that one attempt dials


async def drive(
    dialogue: Generator[Flight, Heard, T],
    connection: Connection,
    mark: Callable[[], Awaitable[bool]] | None = None,
) -> T:
    """Say what the dialogue yields, tell it what was heard, and return what it concludes.

    Before a flight that carries a letter's end, `mark` is asked whether it may be said.
    """
    try:
        flight = next(dialogue)
        while True:
            if mark is not None and any(isinstance(command, Content) for command in flight) and not await mark():
                connection.close()
                flight = dialogue.send(Heard((), Lost("its end could not be marked, so it was not said")))
            else:
                flight = dialogue.send(await connection.say(flight))
    except StopIteration as end:
        result: T = end.value
        return result


@dataclass(frozen=True, slots=True)
class Reached:
    """A server that is ready for MAIL."""

    host: str
    address: str
    session: Session
    connection: Connection

    def carried(self, verdicts: tuple[Verdict, ...], lines: tuple[Line, ...] = (), trips: int | None = None) -> Carried:
        return Carried(
            verdicts=verdicts,
            transcript=lines,
            mx=self.host,
            address=self.address,
            tls=self.connection.tls(self.session.security),
            round_trips=trips,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """No server was ready for MAIL: what became of the last one that was tried. Nobody's address was judged."""

    note: str
    cause: str
    reply: Reply | None = None
    before: Carried | None = None  # the conversation as far as it went

    def carried(self, mail: Mail) -> Carried:
        verdicts = tuple(
            Verdict(recipient, Fate.DEFERRED, self.reply, self.note, cause=self.cause) for recipient in mail.recipients
        )
        before = self.before or Carried(verdicts=())
        return Carried(
            verdicts=verdicts,
            transcript=before.transcript,
            mx=before.mx,
            address=before.address,
            tls=before.tls,
            note=self.note,
        )


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

    async def __call__(self, target: Target, asked: Security, deadline: float) -> Reached | Unreached:
        security = target.security.at_least(asked)
        last = Unreached(note="There was no server to ask", cause="unreachable")
        tried = 0
        for host in target.hosts:
            addresses = await self._addresses(host)
            if isinstance(addresses, Unreached):
                last = addresses
                continue
            for address in addresses[: MOST_ADDRESSES - tried]:
                tried += 1
                found = await self._try(target, host, address, security, deadline)
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

    async def _try(
        self, target: Target, host: Host, address: str, security: Security, deadline: float
    ) -> Reached | Unreached:
        found = await self._introduce(target, host, address, security, deadline, clear_text=False)
        broken = isinstance(found, Unreached) and found.cause == "tls"
        if broken and security is Security.OPPORTUNISTIC and target.credentials is None and not target.implicit_tls:
            # RFC 7435 §3: better in clear text than not at all, where the policy is to take what there is.
            return await self._introduce(target, host, address, security, deadline, clear_text=True)
        return found

    async def _introduce(
        self, target: Target, host: Host, address: str, security: Security, deadline: float, *, clear_text: bool
    ) -> Reached | Unreached:
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
            began=began,
            deadline=deadline,
        )
        session = Session(
            self._helo, security, target.credentials, encrypted=target.implicit_tls, clear_text=clear_text
        )
        try:
            failure = await drive(session.introduce(), connection)
            reached = Reached(host.name, address, session, connection)
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
