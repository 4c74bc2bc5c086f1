"""An application that takes its time for what it is told: `python -m tests.benchmarks.application ROOTS SECONDS`.

It prints its port, and at each line that it is told how many events it has taken so far, each counted once.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from threading import Thread
from typing import cast

import trustme
import uvloop

from tests.internet.web import certificate

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
taken: set[bytes] = set()


class Connection(asyncio.Protocol):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own isn't one by its class

    def data_received(self, data: bytes) -> None:
        self.heard += data
        head, ended, body = self.heard.partition(b"\r\n\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        }
        if ended and len(body) >= int(fields[b"content-length"]):
            self.heard = b""
            asyncio.get_running_loop().call_later(self.seconds, self.answer, fields[b"webhook-id"])

    def answer(self, id_: bytes) -> None:
        taken.add(id_)
        self.transport.write(ANSWER)


async def main(roots: str, seconds: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(roots)
    context, loop = certificate(authority, "127.0.0.1"), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(float(seconds)), "127.0.0.1", 0, ssl=context, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)

    def tell() -> None:
        for _ in sys.stdin:
            print(len(taken), flush=True)

    Thread(target=tell, daemon=True).start()
    await server.serve_forever()


if __name__ == "__main__":
    assert Path(sys.argv[1]).parent.is_dir()
    uvloop.run(main(*sys.argv[1:]))
