"""A destination server whose answers a test chooses: aiosmtpd on a real socket."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass
from threading import Lock

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from postroom.house.supervisor import free_port

DROP = "(drop the connection)"
STALL = "(say nothing before `release`)"


@dataclass(frozen=True)
class Received:
    """A letter that the server has answered 250."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes
    tls: bool


class Destination:
    """Answers RCPT and the letter itself from queues of replies per recipient; without one it takes everything."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.port = free_port(host)
        self.rcpt: defaultdict[str, deque[str]] = defaultdict(deque)
        self.data: defaultdict[str, deque[str]] = defaultdict(deque)  # by a letter's first recipient
        self.sessions = 0  # that were begun
        self._reply = ""
        self._left_waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._letters: list[Received] = []
        self._lock = Lock()
        self._controller = Controller(
            self, hostname=host, port=self.port, server_hostname="mx.example.net", tls_context=tls, enable_SMTPUTF8=True
        )

    @property
    def letters(self) -> list[Received]:
        with self._lock:
            return list(self._letters)

    def letters_to(self, address: str) -> list[Received]:
        return [letter for letter in self.letters if address in letter.rcpt_tos]

    def forget(self) -> None:
        """Be as new, but for sessions under way."""
        with self._lock:
            self._letters.clear()
        self.rcpt.clear()
        self.data.clear()
        self.release()

    def release(self, reply: str = "250 2.0.0 all is well") -> None:
        """Answer those that were left waiting."""
        self._reply = reply
        while self._left_waiting:
            loop, released = self._left_waiting.pop()
            loop.call_soon_threadsafe(released.set)

    @property
    def waiting(self) -> int:
        """How many wait for an answer."""
        return len(self._left_waiting)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    # What aiosmtpd calls.

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions += 1
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        reply = self.rcpt[address].popleft() if self.rcpt[address] else "250 2.1.5 ok"
        if reply == STALL:
            reply = await self._stall()
        if reply == DROP:
            _drop(server)
        elif reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        waiting = self.data[envelope.rcpt_tos[0]]
        reply = waiting.popleft() if waiting else "250 2.0.0 taken"
        if reply.startswith(("250", DROP, STALL)):
            # A dropped one is taken too: that is what makes its lost reply a lie to guess about.
            letter = Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), content, session.ssl is not None)
            with self._lock:
                self._letters.append(letter)
        if reply == STALL:
            reply = await self._stall()
        if reply == DROP:
            _drop(server)
        return reply

    async def _stall(self) -> str:
        released = asyncio.Event()
        self._left_waiting.append((asyncio.get_running_loop(), released))
        await released.wait()
        return self._reply


def _drop(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()
