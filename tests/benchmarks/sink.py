"""A destination that takes everything as cheaply as Python can: what is measured is the client, not this end."""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import cast

from postroom.internet.loop import new_loop

END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a sink offers in its EHLO, and how fast it reads."""

    pipelining: bool = True
    chunking: bool = False
    tls: ssl.SSLContext | None = None
    rate: float | None = None  # octets a second, of all sessions together; None: as many as come

    def hello(self, *, encrypted: bool) -> bytes:
        offered = {"PIPELINING": self.pipelining, "CHUNKING": self.chunking, "STARTTLS": self.tls and not encrypted}
        words = ["sink.example.net", *(word for word, there in offered.items() if there), "8BITMIME", "SIZE 100000000"]
        return b"".join(b"250%c%b\r\n" % (b" -"[word != words[-1]], word.encode()) for word in words)


@dataclass(slots=True)
class Visit:
    """One session as the sink saw it; all times are monotonic seconds."""

    began: float
    ready: float = 0.0  # when the first MAIL came in
    ended: float = 0.0  # when the last letter had come in
    letters: int = 0
    encrypted: bool = False


@dataclass(slots=True)
class Ledger:
    visits: list[Visit] = field(default_factory=list)

    @property
    def taken(self) -> int:
        return sum(visit.letters for visit in self.visits)


class Sink(asyncio.Protocol):
    def __init__(self, offer: Offer, ledger: Ledger) -> None:
        self.offer = offer
        self.buffer = b""
        self.in_letter = False  # after DATA
        self.chunk = 0  # octets of one that are still to come
        self.upgrade: asyncio.Task[None] | None = None
        self.visit = Visit(began=time.monotonic())
        ledger.visits.append(self.visit)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.transport.write(b"220 sink.example.net ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        if self.offer.rate is not None:
            time.sleep(len(data) / self.offer.rate)  # there is nobody else to serve
        self.buffer += data
        if self.upgrade is None or self.upgrade.done():
            self.answer_all()

    def answer_all(self) -> None:
        said = []
        while (answer := self.next_answer()) is not None:
            said.append(answer)
        if said:
            self.transport.write(b"".join(said))

    def next_answer(self) -> bytes | None:
        """To the next thing that has come in whole, if there is one."""
        if self.chunk:
            piece = min(self.chunk, len(self.buffer))
            self.chunk -= piece
            self.buffer = self.buffer[piece:]
            return None if self.chunk else self.letter_taken()
        if self.in_letter:
            end = self.buffer.find(END)
            if end < 0:
                self.buffer = self.buffer[1 - len(END) :]
                return None
            self.buffer = self.buffer[end + len(END) :]
            self.in_letter = False
            return self.letter_taken()
        line, newline, rest = self.buffer.partition(b"\r\n")
        if not newline:
            return None
        self.buffer = rest
        return self.answer(line)

    def answer(self, line: bytes) -> bytes | None:
        verb = line[:4].upper()
        if verb == b"MAIL":
            self.visit.ready = self.visit.ready or time.monotonic()
        elif verb == b"EHLO":
            return self.offer.hello(encrypted=self.visit.encrypted)
        elif verb == b"DATA":
            self.in_letter = True
            return b"354 go on\r\n"
        elif verb == b"BDAT":
            self.chunk = int(line.split()[1])
            return self.next_answer() if self.chunk else self.letter_taken()
        elif verb == b"STAR":
            self.transport.pause_reading()  # what follows is the handshake
            self.upgrade = asyncio.get_running_loop().create_task(self.encrypt())
            return b"220 go on\r\n"
        elif verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self.transport.close)
            return b"221 bye\r\n"
        return b"250 ok\r\n"

    def letter_taken(self) -> bytes:
        self.visit.letters += 1
        self.visit.ended = time.monotonic()
        return b"250 2.0.0 taken as %08x\r\n" % hash((id(self), self.visit.letters))

    async def encrypt(self) -> None:
        assert self.offer.tls is not None
        self.visit.encrypted = True
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self.transport, self, self.offer.tls, server_side=True)
        self.transport = cast("asyncio.Transport", transport)
        self.answer_all()  # what came with the end of the handshake


async def serve(port: int, offer: Offer) -> None:
    """Print how many letters were taken so far, for each line on standard input."""
    loop = asyncio.get_running_loop()
    ledger = Ledger()
    await loop.create_server(lambda: Sink(offer, ledger), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)

    def tell() -> None:
        if sys.stdin.readline():
            print(ledger.taken, flush=True)

    loop.add_reader(sys.stdin, tell)
    await asyncio.sleep(600)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("port", type=int)
    options.add_argument("--pipelining", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("--chunking", action="store_true")
    options.add_argument("--certificate")
    options.add_argument("--rate", type=float)
    given = options.parse_args()
    tls = None
    if given.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(given.certificate)
    offer = Offer(pipelining=given.pipelining, chunking=given.chunking, tls=tls, rate=given.rate)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(given.port, offer))


if __name__ == "__main__":
    main()
