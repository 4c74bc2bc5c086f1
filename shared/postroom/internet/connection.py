"""One connection to one server: the handshake by aiosmtplib, step by step, then our own `Exchange`.

aiosmtplib connects, introduces, encrypts and authenticates through its public calls, each timed into the
transcript, while an `Ear` checks what is heard. Its transport is then taken over through public attributes alone,
since no public call of it can say more than one command before it hears a reply.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from ssl import SSLObject
from time import monotonic
from typing import cast

import aiosmtplib

from postroom.delivery.attempt import TlsFacts
from postroom.internet.deadlines import Deadlines
from postroom.internet.ear import Ear, listening
from postroom.internet.exchange import Exchange
from postroom.smtp.authentication import AuthStep
from postroom.smtp.commands import SLICE, Command, Content, Ehlo, Greeting, Helo, StartTls
from postroom.smtp.flight import Flight, Heard, Lost
from postroom.smtp.reply import LEFT_OUT, Reply, decoded
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Phase, Timeouts
from postroom.smtp.transcript import Line, Transcript

_HANDSHAKE = (Greeting, Ehlo, Helo, StartTls, AuthStep)
_YES = {Greeting: 220, StartTls: 220}  # to a step of AUTH 235, to all others 250

SHORTEST_SECRET = 4
"""Characters; to leave out what is shorter would leave nothing of a reply's words."""


class Connection:
    """Says flights to one server and keeps the transcript of what was said."""

    def __init__(
        self,
        sock: socket.socket,
        host: str,
        context: ssl.SSLContext,
        *,
        implicit_tls: bool,
        objection: Callable[[SSLObject], str | None] | None = None,
        timeouts: Timeouts,
        deadlines: Deadlines,
        began: float,
        deadline: float,
        before: tuple[Line, ...] = (),
    ) -> None:
        """`sock` is ours from now on. `began` and `deadline` are monotonic; the transcript counts from `began`.

        `objection` examines what the server has shown in the handshake, where somebody else than the roots vouches.
        `before` is what was said in an earlier connection of the same attempt.
        """
        self._objection = objection
        self._timeouts = timeouts
        self._deadlines = deadlines
        self._sock = sock
        self._owned = True  # until a transport owns the socket
        self._context = context
        self._host = host
        self._ear: Ear | None = None
        self._exchange: Exchange | None = None
        self._lost: Lost | None = None
        self._client = aiosmtplib.SMTP(
            hostname=host, sock=sock, use_tls=implicit_tls, start_tls=False, tls_context=context, local_hostname="-"
        )
        self._tls: tuple[str, str] | None = None
        self._vouched = False  # by DANE
        self._hidden: list[bytes] = []
        self.began = began
        self.deadline = deadline  # of whoever uses it
        self.transcript = Transcript(before)
        self.round_trips = 0

    async def say(self, flight: Flight) -> Heard:
        """The replies to the flight; the session is dropped where the deadline is over before it begins."""
        now, exchange = monotonic(), self._exchange
        if now >= self.deadline:
            # A worker that stood still may have lost its claims: not another word, least of all the final dot.
            self.close("the time for this session was over")
        if lost := self.lost:
            return Heard((), Lost(lost.why, out_of_step=lost.out_of_step))
        octets, slices = self._spoken(flight, self._ms(now))
        self.round_trips += 1
        if exchange is None:
            if isinstance(flight[0], _HANDSHAKE):
                return await self._step(flight[0])
            transport = self._client.transport
            if transport is None:
                self._lost = Lost("the server closed the connection")
                return Heard((), self._lost)
            exchange = self._exchange = Exchange(
                cast(asyncio.Transport, transport), self._sock, self._deadlines, self._until, self._hear, self._hidden
            )
            self._client.protocol = self._client.transport = None
        return await exchange.say(flight, octets, slices)

    def _spoken(self, flight: Flight, at_ms: float) -> tuple[bytes, Iterator[bytes] | None]:
        """What the flight's commands are on the wire, a large letter by itself; they are in the transcript then."""
        slices: Iterator[bytes] | None = None
        last = flight[-1]
        if isinstance(last, Content) and len(last.octets) > SLICE:
            slices, flight = last.slices(), flight[:-1]
        spoken = [command.spoken() for command in flight]
        self.transcript.client(at_ms, [shown for _, shown in spoken])
        if slices is not None:
            self.transcript.client(at_ms, [last.shown()])
        return b"".join([octets for octets, _ in spoken]), slices

    @property
    def lost(self) -> Lost | None:
        """Why nothing can be said any more, or None."""
        return self._lost or (self._exchange.lost if self._exchange is not None else None)

    @property
    def idle(self) -> float:
        """Seconds since the server was last heard."""
        return monotonic() - self._exchange.heard_at if self._exchange is not None else 0.0

    @property
    def source(self) -> str | None:
        """The address of ours that the connection leaves from, or None where it is closed."""
        try:
            return str(self._sock.getsockname()[0])
        except OSError:
            return None

    def tls(self, policy: Security) -> TlsFacts | None:
        """What TLS the session has, or None in clear text."""
        if self._tls is None:
            return None
        version, cipher = self._tls
        verified = self._vouched or self._context.verify_mode is ssl.CERT_REQUIRED
        return TlsFacts(version=version, cipher=cipher, verified=verified, policy=str(policy))

    def close(self, why: str = "we closed the connection") -> None:
        """Nothing is said any more; what was said before may still be on its way."""
        self._lost = self._lost or Lost(why)
        if self._exchange is not None:
            self._exchange.close()
        else:
            self._client.close()
        if self._owned:
            self._sock.close()

    # The handshake, by aiosmtplib.

    async def _step(self, command: Command) -> Heard:
        timeout = self._until(command.phase, now := monotonic()) - now
        self._owned = False
        if self._ear is not None:
            self._ear.expect()
        match command:
            case Greeting():
                call = self._client.connect(timeout=timeout)
            case Ehlo(name):
                call = self._client.ehlo(hostname=name, timeout=timeout)
            case Helo(name):
                call = self._client.helo(hostname=name, timeout=timeout)
            case AuthStep():
                # Its own calls for AUTH say several commands each; said one by one, each has its time and its reply.
                call = self._client.execute_command(command.encode().removesuffix(b"\r\n"), timeout=timeout)
            case _:
                call = self._client.starttls(tls_context=self._context, server_hostname=self._host, timeout=timeout)
        if isinstance(command, AuthStep):
            self._hidden += [each.encode() for each in command.secrets() if len(each) >= SHORTEST_SECRET]
        heard = await self._called(call, 235 if isinstance(command, AuthStep) else _YES.get(type(command), 250))
        self._hear(heard.replies, monotonic())
        transport, protocol = self._client.transport, self._client.protocol
        if heard.lost is None and isinstance(command, Greeting | StartTls) and transport and protocol:
            if objection := self._examine(transport):
                return self._lose(f"TLS failed: {objection}", tls=True)
            self._ear = listening(transport, protocol, self._hidden)
        return heard

    async def _called(self, call: Awaitable[aiosmtplib.SMTPResponse], wanted: int) -> Heard:
        """A refusal is a reply, a surprise the end of the session: converted here, once."""
        try:
            response = await call
            return self._believed(response.code, response.message, wanted)
        except aiosmtplib.SMTPResponseException as refusal:
            if 200 <= refusal.code < 600:
                return self._believed(refusal.code, refusal.message, wanted)
            why = f"the server sent what isn't a reply: {refusal.message}"
        except aiosmtplib.SMTPTimeoutError:
            why = "no reply in time"
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if tls := _tls_trouble(error):
                return self._lose(f"TLS failed: {tls.reason or tls}", tls=True)
            why = str(error) or type(error).__name__
        return self._lose(why)

    def _believed(self, code: int, message: str, wanted: int) -> Heard:
        """The reply as we heard it ourselves; the greeting alone comes before we can listen."""
        if self._ear is None:
            return Heard((_reply(code, message),))
        heard, reply = _reply(code, self._unsaid(message)), self._ear.reply
        if 200 <= code < 300 and code != wanted:
            # aiosmtplib would take the command for not said, and say it again by itself.
            return self._lose(f"the server said {heard.quoted()} where {wanted} is the word")
        if reply is None or reply.code != code or _words(reply) != _words(heard):
            # aiosmtplib acts on what it has heard, an answer to an earlier command perhaps: the two must agree.
            return self._lose(f"replies and commands are out of step at {heard.quoted()}")
        return Heard((reply,))

    def _lose(self, why: str, *, tls: bool = False) -> Heard:
        if self._ear is not None and self._ear.trouble is not None:
            why = self._ear.trouble
        self._lost = Lost(self._unsaid(why), tls=tls)
        self._client.close()
        return Heard((), self._lost)

    def _unsaid(self, text: str) -> str:
        """aiosmtplib's words without our secrets; what the `Ear` has heard is without them already."""
        for secret in self._hidden:
            text = text.replace(secret.decode(), LEFT_OUT)
        return text

    def _examine(self, transport: asyncio.BaseTransport) -> str | None:
        """Keep what TLS the session has; what there is to be said against it."""
        session: SSLObject | None = transport.get_extra_info("ssl_object")
        if session is None or self._tls is not None:
            return None
        cipher = session.cipher()
        self._tls = (session.version() or "", cipher[0] if cipher else "")
        if self._objection is None:
            return None
        objection = self._objection(session)
        self._vouched = objection is None
        return objection

    def _hear(self, replies: Sequence[Reply], at: float) -> None:
        self.transcript.server(self._ms(at), [reply.shown for reply in replies])

    def _ms(self, at: float) -> float:
        return round((at - self.began) * 1000, 3)

    def _until(self, phase: Phase, now: float) -> float:
        """When a phase that begins now must be over."""
        return min(now + self._timeouts.of(phase), self.deadline)


def _tls_trouble(error: BaseException) -> ssl.SSLError | None:
    """The trouble with TLS that is behind an error of aiosmtplib's."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    return cause


def _words(reply: Reply) -> list[str]:
    return [line.strip() for line in reply.lines if line.strip()]


def _reply(code: int, message: str) -> Reply:
    return Reply(code, tuple(decoded(line.encode("utf-8", "surrogateescape")) for line in message.split("\n")))
