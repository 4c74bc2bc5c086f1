"""Our own protocol for an introduced session: flights out, replies in, with the deadline of each phase.

It takes the transport over from aiosmtplib, which says one command at a time, when the session is ready for
MAIL. Works on asyncio's and uvloop's transports, plain and TLS.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator
from fcntl import ioctl
from termios import TIOCOUTQ
from time import monotonic

from postroom.internet.deadlines import Deadlines
from postroom.smtp.commands import SLICE, Command, Content
from postroom.smtp.flight import Flight, Heard, Lost
from postroom.smtp.reply import MalformedReply, Reply, ReplyParser
from postroom.smtp.timeouts import Phase

BUFFER = 16384


class Exchange(asyncio.BufferedProtocol):
    """One flight is under way at a time. `heard` is called with each reply as it comes in."""

    def __init__(
        self,
        transport: asyncio.Transport,
        sock: socket.socket,
        deadlines: Deadlines,
        timeout: Callable[[Phase], float],
        heard: Callable[[Reply], None],
    ) -> None:
        """Be in charge of `transport`, whose socket is `sock`; whoever had it must let go of it."""
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._sock = sock
        self._deadlines = deadlines
        self._timeout = timeout
        self._on_reply = heard
        self._parser = ReplyParser()
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._outstanding: deque[Command] = deque()
        self._replies: list[Reply] = []
        self._surplus: Reply | None = None
        self._done: asyncio.Future[None] | None = None
        self._slices: Iterator[bytes] = iter(())  # of the flight, not handed over yet
        self._unwritten = False  # there are slices left, or one of them isn't the transport's yet
        self._unsent = 0  # octets of a large letter that the server hadn't acknowledged when we last looked
        self._paused = False
        # Under TLS nobody tells when the kernel has taken everything, so there it counts as taken: better in doubt
        # without need than sent twice in good faith.
        self._exact = transport.get_extra_info("sslcontext") is None
        self.deadline = float("inf")
        self.heard_at = monotonic()
        self.lost: Lost | None = None
        # With a high-water mark of nothing, `pause_writing` tells of every octet that the kernel hasn't taken.
        transport.set_write_buffer_limits(high=0)
        transport.set_protocol(self)
        if transport.is_closing():
            self.connection_lost(None)

    async def say(self, flight: Flight) -> Heard:
        """Write the flight and wait for a reply to each of its commands, or for the session's end."""
        self._replies = []
        self._unsent = 0
        if self.lost is None:
            self._outstanding.extend(flight)
            self._done = self._loop.create_future()
            self._write(flight)
            self._arm()
            self._deadlines.watch(self)
            try:
                await self._done
            finally:
                self._deadlines.forget(self)
        replies = tuple(self._replies)
        if len(replies) == len(flight):
            return Heard(replies, surplus=self._surplus)
        return Heard(replies, self.lost)

    def close(self) -> None:
        self._transport.close()

    # Writing.

    def _write(self, flight: Flight) -> None:
        *envelope, last = flight
        if isinstance(last, Content) and len(last.octets) > SLICE:
            self._slices = last.slices()
            self._unwritten = True
            if envelope:
                self._transport.write(b"".join(command.encode() for command in envelope))
            self._write_on()
        else:
            self._transport.write(b"".join(command.encode() for command in flight))

    def _write_on(self) -> None:
        """Hand over slices as long as the kernel takes them."""
        while self._unwritten and not self._paused and self.lost is None:
            piece = next(self._slices, None)
            if piece is None:
                self._unwritten = False
                self._unsent = self._left_to_send()
                self._arm()  # from now on it is the server's turn
            else:
                self._transport.write(piece)

    def pause_writing(self) -> None:
        self._paused = True
        self._unsent = self._left_to_send()

    def resume_writing(self) -> None:
        self._paused = False
        if self._unwritten:
            self._arm()
            self._write_on()

    def _left_to_send(self) -> int:
        """Octets that are written and not acknowledged, as far as this system tells."""
        left = self._transport.get_write_buffer_size()
        try:
            return left + int.from_bytes(ioctl(self._sock, TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):
            return left

    @property
    def _handed_over(self) -> bool:
        return not self._unwritten and not (self._paused and self._exact)

    # What the transport calls.

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  asyncio's signature
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._feed(bytes(self._view[:nbytes]))

    def eof_received(self) -> bool:
        self._lose("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self.lost is None:
            self._hear_last_words()
        self._lose(f"the connection broke: {exc}" if exc else "the server closed the connection")

    def _hear_last_words(self) -> None:
        """What the server said before it hung up, which the loop drops where our own writing failed first."""
        if not self._exact:
            return  # encrypted: the key to it has gone with the transport
        try:
            while self.lost is None and (octets := self._sock.recv(BUFFER)):
                self._feed(octets)
        except (OSError, ValueError):
            return

    # Keeping count.

    def _feed(self, octets: bytes) -> None:
        self.heard_at = monotonic()
        try:
            for reply in self._parser.feed(octets):
                self._take(reply)
                if self.lost:
                    return
        except MalformedReply as error:
            self._lose(str(error), abort=True)

    def _take(self, reply: Reply) -> None:
        self._on_reply(reply)
        if not self._outstanding:
            # Out of turn: a 421 is a goodbye (RFC 5321 §3.8), anything else puts replies and commands out of step.
            goodbye = reply.code == 421
            if not goodbye:
                self._surplus = reply
            why = "the server said goodbye" if goodbye else "the server spoke out of turn"
            self._lose(f"{why}: {reply.quoted()}", abort=True, out_of_step=not goodbye)
            return
        if reply.positive and isinstance(self._outstanding[0], Content) and not self._handed_over:
            why = f"the server took a letter that it didn't have yet: {reply.quoted()}"
            self._lose(why, abort=True, out_of_step=True)
            return
        command = self._outstanding.popleft()
        self._replies.append(reply)
        if isinstance(command, Content) and self._unwritten:
            # Refused before it was whole. The rest would be taken for commands, so there is nothing more to say.
            self._lose(f"the server refused the letter before it was whole: {reply.quoted()}", abort=True)
        elif self._outstanding:
            self._arm()
        elif self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _lose(self, why: str, *, abort: bool = False, out_of_step: bool = False) -> None:
        if self.lost is None:
            self.lost = Lost(why, handed_over=self._handed_over, out_of_step=out_of_step)
            if self._done is not None and not self._done.done():
                self._done.set_result(None)
        if abort:
            self._transport.abort()

    # Being late.

    def _arm(self) -> None:
        """The deadline of the command whose reply is next, or of the next sign that the kernel takes our words."""
        phase = Phase.DATA if self._unwritten else self._outstanding[0].phase if self._outstanding else Phase.COMMAND
        self.deadline = monotonic() + self._timeout(phase)

    def late(self) -> None:
        """Called by the sweep: lose the session, unless the server is merely slow in taking what we write."""
        left = self._left_to_send()
        if left < self._unsent and self._timeout(Phase.DATA) > 0:
            self._unsent = left
            self._arm()
        elif self._unwritten:
            self._lose("the server took nothing more of the letter", abort=True)
        elif self._outstanding:
            name = type(self._outstanding[0]).__name__.upper()
            self._lose(f"no reply to {name} in time", abort=True)
        else:
            self._deadlines.forget(self)
