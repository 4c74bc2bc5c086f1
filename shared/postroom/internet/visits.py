"""Going where a letter would go, the very way it would go, to introduce ourselves and leave."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from time import monotonic

from postroom.delivery.routing import Target
from postroom.internet.deadlines import Deadlines
from postroom.internet.dial import place
from postroom.internet.guard import Forbidden, Guard
from postroom.internet.hosts import Hosts
from postroom.internet.loop import Background
from postroom.internet.reach import Errand, Reach
from postroom.internet.reached import Reached, Unreached, drive
from postroom.ports import Visit
from postroom.smtp.security import Security
from postroom.smtp.transcript import Line

GOODBYE = 1.0
"""Seconds that the answer to QUIT may take."""

# How many servers greet a client: with its address in brackets, as an address literal has them (RFC 5321 §4.1.3).
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]", re.IGNORECASE)


class SmtpVisits:
    """`Visits` by the `reach` that carries letters too."""

    def __init__(self, reach: Reach, background: Background) -> None:
        self._reach = reach
        self._background = background

    def visit(self, target: Target, seconds: float) -> Visit:
        answer: Future[Visit] = Future()
        # A relay that is to be shown a password is one that TLS is needed with.
        least = target.security.at_least(Security.REQUIRE) if target.credentials else target.security
        bare = replace(target, credentials=None, fallback=None, security=least)
        self._background.start(self._run, answer, bare, monotonic() + seconds)
        return answer.result()

    async def _run(self, answer: Future[Visit], target: Target, deadline: float) -> None:
        try:
            answer.set_result(await self._visited(target, deadline))
        except BaseException as error:
            answer.set_exception(error)

    async def _visited(self, target: Target, deadline: float) -> Visit:
        found = await self._reach(Errand(target, target.security, deadline, Hosts(), Deadlines()))
        if isinstance(found, Unreached):
            return self._turned_away(target, found)
        connection = found.connection
        visit = Visit(
            place=place(found.host.name, found.address, found.host.port),
            address=found.address,
            heard=True,
            source=None if target.approach.proxy else _public(connection.source),
            seen=_seen(connection.transcript.lines(), found.address),
            tls=connection.tls(target.security),
            mechanisms=found.session.can.auth,
        )
        await _leave(found)
        return visit

    def _turned_away(self, target: Target, found: Unreached) -> Visit:
        before = found.before
        host = next((each for each in target.hosts if before and each.name == before.mx), target.hosts[0])
        lines = before.transcript if before else ()
        address = before.address if before else None
        said = f": {found.reply.quoted()}" if found.reply else ""
        return Visit(
            place=place(host.name, address, host.port) if address else f"{host.name}:{host.port}",
            address=address,
            trouble=found.note + said,
            cause=found.cause,
            heard=any(line.speaker == "server" for line in lines),
            seen=_seen(lines, address),
            tls=before.tls if before else None,
        )


async def _leave(found: Reached) -> None:
    found.connection.deadline = monotonic() + GOODBYE
    try:
        await drive(found.session.farewell(), found.connection)
    finally:
        found.connection.close()


def _seen(lines: Iterable[Line], server: str | None) -> str | None:
    """The address in the first line of an answer to EHLO, unless it is the server's own."""
    introduced = False
    for line in lines:
        if line.speaker == "client":
            introduced = line.text.startswith(("EHLO ", "HELO "))
        elif introduced:
            introduced = False
            for found in _LITERAL.findall(line.text):
                if (address := _public(found)) and address != server:
                    return address
    return None


def _public(address: str | None) -> str | None:
    """The address, if it is one that others may see, whichever may be dialled besides."""
    try:
        return _ANYBODYS.vet(address) if address else None
    except Forbidden:
        return None


_ANYBODYS = Guard()
