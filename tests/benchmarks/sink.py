"""A destination that takes everything as cheaply as Python can: what is measured is postroom, not the other end."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from postroom.internet.loop import new_loop

HELLO = b"250-sink.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n"


class Sink(asyncio.Protocol):
    taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.buffer = b""
        self.in_letter = False
        self.transport.write(b"220 sink.example.net ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        said = []
        while True:
            if self.in_letter:
                end = self.buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self.buffer = self.buffer[end + 5 :]
                self.in_letter = False
                Sink.taken += 1
                said.append(b"250 2.0.0 taken\r\n")
                continue
            line, newline, rest = self.buffer.partition(b"\r\n")
            if not newline:
                break
            self.buffer = rest
            said.append(self.answer(line[:4].upper()))
        if said:
            self.transport.write(b"".join(said))

    def answer(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return HELLO
        if verb == b"DATA":
            self.in_letter = True
            return b"354 go on\r\n"
        if verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self.transport.close)
            return b"221 bye\r\n"
        return b"250 ok\r\n"


async def serve(port: int) -> None:
    """Print how many letters were taken so far, for each line on standard input."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Sink, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    loop.add_reader(sys.stdin, lambda: sys.stdin.readline() and print(Sink.taken, flush=True))
    await asyncio.sleep(600)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
