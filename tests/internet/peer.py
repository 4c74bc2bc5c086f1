"""A server that a test scripts over a real socket: it says what it is told, when it is told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

Serve = Callable[["Guest"], None]


class Guest:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock: socket.socket | ssl.SSLSocket = sock
        self.heard = b""

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self, until: bytes = b"\r\n") -> bytes:
        """What the client says up to and with `until`."""
        while until not in self.heard:
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionError("the client has left")
            self.heard += piece
        said, _, self.heard = self.heard.partition(until)
        return said + until

    def hear_octets(self, count: int) -> bytes:
        """The next `count` octets that the client says."""
        while len(self.heard) < count:
            piece = self.sock.recv(65536)
            if not piece:
                raise ConnectionError("the client has left")
            self.heard += piece
        said, self.heard = self.heard[:count], self.heard[count:]
        return said

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.sock = context.wrap_socket(self.sock, server_side=True)

    def reset(self) -> None:
        """End the connection with a RST."""
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """A port where each connection is served by `serve`, in a thread of its own."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[Thread] = []

    def one(sock: socket.socket) -> None:
        guest = Guest(sock)
        try:
            serve(guest)
        except OSError:
            pass
        finally:
            guest.sock.close()

    def accept() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            sock.settimeout(10)
            threads.append(Thread(target=one, args=(sock,)))
            threads[-1].start()

    accepting = Thread(target=accept)
    accepting.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (accepting, *threads):
            thread.join(10)
