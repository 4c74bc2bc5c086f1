"""Destinations that refuse, stall or talk nonsense, by the domain whose letters come to them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread


@dataclass(frozen=True)
class Trouble:
    cause: str  # that postroom gives it
    greeting: bytes | None = None  # all that its server ever says
    host: str | None = None  # where there is no such server


TROUBLES: Mapping[str, Trouble] = {
    "silent.example": Trouble("connection_lost", b""),
    "unwilling.example": Trouble("turned_away", b"554 5.3.2 no mail here\r\n"),
    "busy.example": Trouble("turned_away", b"421 4.3.2 too busy\r\n"),
    "web.example": Trouble("connection_lost", b"HTTP/1.1 400 Bad Request\r\n"),
    "deaf.example": Trouble("connection_lost", b"220 hello\r\n"),
    "gone.example": Trouble("connection_refused", host="127.0.0.1:9"),  # nobody listens at discard (RFC 863)
    "private.example": Trouble("forbidden_address", host="10.1.2.3:25"),
}

GONE_TOO = "late.example"  # for the story that must be the first to find that nobody is there


@contextmanager
def says(greeting: bytes) -> Iterator[int]:
    """A server that says this to whoever comes, and then nothing more."""
    server = socket.create_server(("127.0.0.1", 0))
    guests: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                guest, _ = server.accept()
            except OSError:
                return
            guest.sendall(greeting)
            guests.append(guest)

    Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for guest in guests:
        guest.close()
