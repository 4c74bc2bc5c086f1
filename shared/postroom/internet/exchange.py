"""Our own protocol for an introduced session: flights out, replies in, with the deadline of each phase.

It takes the transport over from aiosmtplib, which says one command at a time, when the session is ready for
MAIL. Works on asyncio's and uvloop's transports, plain and TLS.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from postroom.smtp.commands import Command, Content
from postroom.smtp.dialogue import Flight, Heard
from postroom.smtp.reply import MalformedReply, Reply, ReplyParser
from postroom.smtp.timeouts import Phase
from postroom.smtp.verdict import Lost

BUFFER = 16384


class Exchange(asyncio.BufferedProtocol):
    """One flight is under way at a time. `heard` is called with each reply as it comes in."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        timeout: Callable[[Phase], float],
        heard: Callable[[Reply], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._timeout = timeout
        self._on_reply = heard
        self._parser = ReplyParser()
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._outstanding: deque[Command] = deque()
        self._replies: list[Reply] = []
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = False
        # Under TLS nobody tells when the kernel has taken everything, so there it counts as taken: better in doubt
        # without need than sent twice in good faith.
        self._exact = transport.get_extra_info("sslcontext") is None
        self.lost: Lost | None = None

    @classmethod
    def take_over(
        cls,
        transport: asyncio.Transport,
        timeout: Callable[[Phase], float],
        heard: Callable[[Reply], None],
    ) -> Exchange:
        """Put an Exchange in charge of `transport`; whoever had it must let go of it."""
        exchange = cls(asyncio.get_running_loop(), transport, timeout, heard)
        # With a high-water mark of nothing, `pause_writing` tells of every octet that the kernel hasn't taken.
        transport.set_write_buffer_limits(high=0)
        transport.set_protocol(exchange)
        if transport.is_closing():
            exchange.connection_lost(None)
        return exchange

    async def say(self, flight: Flight) -> Heard:
        """Write the flight at once and wait for a reply to each of its commands, or for the session's end."""
        self._replies = []
        if self.lost is None:
            self._outstanding.extend(flight)
            self._done = self._loop.create_future()
            self._transport.write(b"".join(command.encode() for command in flight))
            self._arm()
            await self._done
            self._disarm()
        replies = tuple(self._replies)
        return Heard(replies) if len(replies) == len(flight) else Heard(replies, self.lost)

    def close(self) -> None:
        self._disarm()
        self._transport.close()

    # What the transport calls.

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        try:
            for reply in self._parser.feed(bytes(self._view[:nbytes])):
                self._take(reply)
                if self.lost:
                    return
        except MalformedReply as error:
            self._lose(str(error), abort=True)

    def eof_received(self) -> bool:
        self._lose("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def pause_writing(self) -> None:
        self._unsent = self._exact

    def resume_writing(self) -> None:
        self._unsent = False

    # Keeping count.

    def _take(self, reply: Reply) -> None:
        self._on_reply(reply)
        if not self._outstanding:
            # Out of turn: a 421 is a goodbye (RFC 5321 §3.8), anything else puts replies and commands out of step.
            why = "the server said goodbye" if reply.code == 421 else "the server spoke out of turn"
            self._lose(f"{why}: {reply.quoted()}", abort=True)
            return
        if reply.positive and isinstance(self._outstanding[0], Content) and self._unsent:
            self._lose(f"the server took a letter that it didn't have yet: {reply.quoted()}", abort=True)
            return
        self._outstanding.popleft()
        self._replies.append(reply)
        if self._outstanding:
            self._arm()
        elif self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _lose(self, why: str, *, abort: bool = False) -> None:
        if self.lost is None:
            self.lost = Lost(why, handed_over=not self._unsent)
            if self._done is not None and not self._done.done():
                self._done.set_result(None)
        if abort:
            self._transport.abort()

    def _arm(self) -> None:
        """The timer of the command whose reply is next."""
        self._disarm()
        command = self._outstanding[0]
        seconds = max(0.0, self._timeout(command.phase))
        self._timer = self._loop.call_later(seconds, self._late, command, seconds)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self, command: Command, seconds: float) -> None:
        self._lose(f"no reply to {type(command).__name__.upper()} within {seconds:.0f} s", abort=True)
