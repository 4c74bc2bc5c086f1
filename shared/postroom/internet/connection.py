"""One connection to one server: the handshake by aiosmtplib, step by step, then our own `Exchange`.

aiosmtplib connects, introduces, encrypts and authenticates through its public calls, each timed into the
transcript. Its transport is then taken over through public attributes alone, since no public call of it can
say more than one command before it hears a reply.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable
from time import monotonic
from typing import cast

import aiosmtplib

from postroom.delivery.attempt import TlsFacts
from postroom.internet.exchange import Exchange
from postroom.smtp.commands import AuthPlain, Command, Ehlo, Greeting, Helo, StartTls
from postroom.smtp.dialogue import Flight, Heard
from postroom.smtp.reply import Reply, decoded
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Phase, Timeouts
from postroom.smtp.transcript import Transcript
from postroom.smtp.verdict import Lost

_HANDSHAKE = (Greeting, Ehlo, Helo, StartTls, AuthPlain)


async def dial(address: str, port: int, seconds: float) -> socket.socket:
    """A connected socket to a vetted address. Raises OSError or TimeoutError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


class Connection:
    """Says flights to one server and keeps the transcript of what was said."""

    def __init__(
        self,
        sock: socket.socket,
        host: str,
        context: ssl.SSLContext,
        *,
        implicit_tls: bool,
        timeouts: Timeouts,
        began: float,
        deadline: float,
    ) -> None:
        """`sock` is ours from now on. `began` and `deadline` are monotonic; the transcript counts from `began`."""
        self._timeouts = timeouts
        self._deadline = deadline
        self._began = began
        self._unused: socket.socket | None = sock  # until a transport owns it
        self._context = context
        self._host = host
        self._exchange: Exchange | None = None
        self._lost: Lost | None = None
        self._client = aiosmtplib.SMTP(
            hostname=host, sock=sock, use_tls=implicit_tls, start_tls=False, tls_context=context, local_hostname="-"
        )
        self.transcript = Transcript()
        self.round_trips = 0
        self._tls: tuple[str, str] | None = None

    async def say(self, flight: Flight) -> Heard:
        """The replies to the flight; the session is dropped where the deadline is over before it begins."""
        if monotonic() >= self._deadline:
            # A worker that stood still may have lost its claims: not another word, least of all the final dot.
            self._lost = self._lost or Lost("the time for this session was over")
            self.close()
        lost = self._lost or (self._exchange.lost if self._exchange else None)
        if lost is not None:
            return Heard((), Lost(lost.why))
        at_ms = self._now_ms()
        for command in flight:
            if shown := command.shown():
                self.transcript.client(at_ms, shown)
        self.round_trips += 1
        if isinstance(flight[0], _HANDSHAKE):
            return await self._step(flight[0])
        if self._exchange is None:
            transport = self._client.transport
            if transport is None:
                self._lost = Lost("the server closed the connection")
                return Heard((), self._lost)
            self._exchange = Exchange.take_over(cast(asyncio.Transport, transport), self._timeout, self._hear)
            self._client.protocol = self._client.transport = None
        return await self._exchange.say(flight)

    def tls(self, policy: Security) -> TlsFacts | None:
        """What TLS the session has, or None in clear text."""
        if self._tls is None:
            return None
        version, cipher = self._tls
        verified = self._context.verify_mode is ssl.CERT_REQUIRED
        return TlsFacts(version=version, cipher=cipher, verified=verified, policy=str(policy))

    def close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
        else:
            self._client.close()
        if self._unused is not None:
            self._unused.close()

    # The handshake, by aiosmtplib.

    async def _step(self, command: Command) -> Heard:
        timeout = self._timeout(command.phase)
        self._unused = None
        match command:
            case Greeting():
                call = self._client.connect(timeout=timeout)
            case Ehlo(name):
                call = self._client.ehlo(hostname=name, timeout=timeout)
            case Helo(name):
                call = self._client.helo(hostname=name, timeout=timeout)
            case AuthPlain(username, password):
                call = self._client.auth_plain(username, password, timeout=timeout)
            case _:
                call = self._client.starttls(tls_context=self._context, server_hostname=self._host, timeout=timeout)
        heard = await self._called(call)
        for reply in heard.replies:
            self.transcript.server(self._now_ms(), reply.shown())
        self._note_tls()
        return heard

    async def _called(self, call: Awaitable[aiosmtplib.SMTPResponse]) -> Heard:
        """A refusal is a reply, a surprise the end of the session: converted here, once."""
        try:
            response = await call
            return Heard((_reply(response.code, response.message),))
        except aiosmtplib.SMTPResponseException as refusal:
            if 200 <= refusal.code < 600:
                return Heard((_reply(refusal.code, refusal.message),))
            why = f"the server sent what isn't a reply: {refusal.message}"
        except aiosmtplib.SMTPTimeoutError:
            why = "no reply in time"
        except ssl.SSLError as error:
            why = f"TLS failed: {error.reason or error}"
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            why = str(error) or type(error).__name__
        self._lost = Lost(why)
        self._client.close()
        return Heard((), self._lost)

    def _note_tls(self) -> None:
        transport = self._client.transport
        session = transport.get_extra_info("ssl_object") if transport is not None else None
        if session is not None and self._tls is None:
            cipher = session.cipher()
            self._tls = (session.version() or "", cipher[0] if cipher else "")

    def _hear(self, reply: Reply) -> None:
        self.transcript.server(self._now_ms(), reply.shown())

    def _timeout(self, phase: Phase) -> float:
        return min(self._timeouts.of(phase), self._deadline - monotonic())

    def _now_ms(self) -> float:
        return (monotonic() - self._began) * 1000


def _reply(code: int, message: str) -> Reply:
    return Reply(code, tuple(decoded(line.encode("utf-8", "surrogateescape")) for line in message.split("\n")))
