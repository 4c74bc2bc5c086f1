"""Our own protocol for an introduced session: flights out, replies in, with the deadline of each phase.

It takes the transport over from aiosmtplib, which says one command at a time, when the session is ready for
MAIL. Works on asyncio's and uvloop's transports, plain and TLS.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fcntl import ioctl
from termios import TIOCOUTQ
from time import monotonic

from postroom.internet.deadlines import Deadlines
from postroom.smtp.commands import Command, Content
from postroom.smtp.flight import Flight, Heard, Lost
from postroom.smtp.reply import MalformedReply, Reply, ReplyParser
from postroom.smtp.timeouts import Phase

BUFFER = 16384

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it


class Exchange(asyncio.BufferedProtocol):
    """One flight is under way at a time. `heard` is called with the replies that came in together, as they do."""

    def __init__(
        self,
        transport: asyncio.Transport,
        sock: socket.socket,
        deadlines: Deadlines,
        until: Callable[[Phase, float], float],
        heard: Callable[[Sequence[Reply], float], None],
        hidden: Sequence[bytes] = (),
    ) -> None:
        """Be in charge of `transport`, whose socket is `sock`; whoever had it must let go of it.

        `until` tells when a phase that begins at a moment must be over; times are monotonic. `hidden` are secrets of
        ours that no reply may bring back.
        """
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._sock = sock
        self._deadlines = deadlines
        self._until = until
        self._on_replies = heard
        self._parser = ReplyParser(hidden)
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._outstanding: deque[Command] = deque()
        self._replies: list[Reply] = []
        self._surplus: Reply | None = None
        self._done: asyncio.Future[Heard] | None = None
        self._slices: Iterator[bytes] | None = None  # of the flight, not handed over yet
        self._unwritten = False  # the transport hasn't got all of the flight
        self._unsent = 0  # octets of a large letter that the server hadn't acknowledged when we last looked
        self._paused = False
        # Under TLS nobody tells when the kernel has taken everything, so there it counts as taken: better in doubt
        # without need than sent twice in good faith.
        self._exact = transport.get_extra_info("sslcontext") is None
        self.deadline = float("inf")
        self.heard_at = monotonic()
        self.lost: Lost | None = None
        # With a high-water mark of nothing, `pause_writing` tells of every octet that the kernel hasn't taken. Under
        # TLS a buffer that has reached its mark counts as too full, so an empty one would.
        transport.set_write_buffer_limits(high=0 if self._exact else 1)
        transport.set_protocol(self)
        if transport.is_closing():
            self.connection_lost(None)

    def say(self, flight: Flight, octets: bytes, slices: Iterator[bytes] | None = None) -> asyncio.Future[Heard]:
        """Write the flight. The future comes true with a reply to each of its commands, or with the session's end.

        `octets` are what goes out; where its last command is a large letter, that comes in `slices` behind them.
        """
        self._replies = []
        self._unsent = 0
        self._done = self._loop.create_future()
        if self.lost is not None:
            self._finish()
            return self._done
        self._outstanding.extend(flight)
        self._slices, self._unwritten = slices, True
        self._write(octets)
        if self._slices is not None:
            self._write_on()
        self._arm(monotonic())
        self._deadlines.watch(self)
        return self._done

    def _finish(self) -> None:
        """Nothing more is waited for."""
        self._deadlines.forget(self)
        if self._done is not None and not self._done.done():
            lost = self.lost if self._outstanding or not self._replies else None
            self._done.set_result(Heard(tuple(self._replies), lost, self._surplus))

    def close(self) -> None:
        """Say no more. What was written and waits for its answer is taken back as far as it can be."""
        self._deadlines.forget(self)
        if self._outstanding:
            self._transport.abort()
        else:
            self._transport.close()

    # Writing.

    def _write(self, octets: bytes) -> None:
        self._transport.write(octets)
        # Where the kernel didn't take it the connection is broken, and we will be told why.
        self._unwritten = self._slices is not None or (self._exact and self._transport.is_closing())

    def _write_on(self) -> None:
        """Hand over slices as long as the kernel takes them."""
        while self._slices is not None and not self._paused and self.lost is None and not self._transport.is_closing():
            piece = next(self._slices, None)
            if piece is None:
                self._slices, self._unwritten = None, False
            else:
                self._write(piece)

    def pause_writing(self) -> None:
        self._paused = True
        self._unsent = self._left_to_send()

    def resume_writing(self) -> None:
        self._paused = False
        if self._slices is not None:
            self._write_on()
            self._unsent = self._left_to_send()
            self._arm(monotonic())  # the next sign of progress, or the server's turn

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
        # What it hasn't got yet it must not get any more: it is settled as lost.
        self._lose("the server closed the connection", abort=not self._handed_over)
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
        self.heard_at = now = monotonic()
        before = len(self._outstanding)
        heard: list[Reply] = []
        try:
            for reply in self._parser.feed(octets):
                heard.append(reply)
                if self._outstanding and not self._paused and not self._unwritten:
                    self._outstanding.popleft()
                    self._replies.append(reply)
                else:
                    self._take_out_of_turn(reply)
                    if self.lost is not None:
                        break
        except MalformedReply as error:
            self._lose(str(error), abort=True)
        self._on_replies(heard, now)
        if not self._outstanding:
            self._finish()
        elif len(self._outstanding) < before:
            self._arm(now)
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Tell the server at once that its reply is here, where more are due.

        Until it hears that it may keep the next one back (RFC 896), and we would keep quiet for 40 ms (RFC 1122
        §4.2.3.2), since there is nothing for us to say.
        """
        if _QUICKACK is not None and self.lost is None:
            self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _take_out_of_turn(self, reply: Reply) -> None:
        """A reply that nobody asked for, or that comes before the kernel has all that was to be said."""
        if not self._outstanding:
            # A 421 is a goodbye (RFC 5321 §3.8), anything else puts replies and commands out of step.
            goodbye = reply.code == 421
            if not goodbye:
                self._surplus = reply
            why = "the server said goodbye" if goodbye else "the server spoke out of turn"
            self._lose(f"{why}: {reply.quoted()}", abort=True, out_of_step=not goodbye)
            return
        is_letter = isinstance(self._outstanding[0], Content)
        if is_letter and reply.positive and not self._handed_over:
            why = f"the server took a letter that it didn't have yet: {reply.quoted()}"
            self._lose(why, abort=True, out_of_step=True)
            return
        self._outstanding.popleft()
        self._replies.append(reply)
        if is_letter and self._unwritten:
            # Refused before it was whole. The rest would be taken for commands, so there is nothing more to say.
            self._lose(f"the server refused the letter before it was whole: {reply.quoted()}", abort=True)

    def _lose(self, why: str, *, abort: bool = False, out_of_step: bool = False) -> None:
        if self.lost is None:
            self.lost = Lost(why, handed_over=self._handed_over, out_of_step=out_of_step)
            self._finish()
        if abort:
            self._transport.abort()

    # Being late.

    def _arm(self, now: float) -> None:
        """The deadline of the command whose reply is next, or of the next sign that the kernel takes our words."""
        if self._outstanding:
            self.deadline = self._until(Phase.DATA if self._unwritten else self._outstanding[0].phase, now)

    def late(self) -> None:
        """Called by the sweep: lose the session, unless the server is merely slow in taking what we write."""
        left, now = self._left_to_send(), monotonic()
        if left < self._unsent and self._until(Phase.DATA, now) > now:
            self._unsent = left
            self._arm(now)
        elif self._unwritten:
            self._lose("the server took nothing more of the letter", abort=True)
        elif self._outstanding:
            name = type(self._outstanding[0]).__name__.upper()
            self._lose(f"no reply to {name} in time", abort=True)
        else:
            self._deadlines.forget(self)
