"""Posts one letter over and over, as cheaply as Python can: what is measured is the other end.

`posting.py PORT KEY SECONDS CONNECTIONS kept|new` prints how many were answered 200, and in how many seconds. `kept`
asks each connection again and again, as clients with a pool do (Node's, Go's); `new` makes one for each letter, as
those without do (Resend's for Python, Ruby and PHP).
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

from tests.benchmarks.load import BODY

ADDRESS = "127.0.0.1"


def request(key: str) -> bytes:
    """What `requests` sends, and with it Resend's client for Python."""
    body = BODY.encode()
    head = (
        "POST /emails HTTP/1.1\r\n"
        f"Host: {ADDRESS}\r\n"
        "User-Agent: resend-python:2.52.0\r\n"
        "Accept-Encoding: gzip, deflate\r\n"
        "Accept: application/json\r\n"
        "Connection: keep-alive\r\n"
        f"Authorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection that always has a request under way, and what has come of the answer to it."""

    def __init__(self, port: int, request: bytes, selector: selectors.BaseSelector) -> None:
        self.port, self.request, self.selector = port, request, selector
        self.heard = b""
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection((ADDRESS, self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.ask()

    def ask(self) -> None:
        self.heard = b""
        self.socket.sendall(self.request)

    def close(self) -> None:
        self.selector.unregister(self.socket)
        self.socket.close()

    def hear(self) -> bool:
        """Whether the answer is here as a whole. Fails unless it is a 200."""
        piece = self.socket.recv(65536)
        self.heard += piece
        head, blank, body = self.heard.partition(b"\r\n\r\n")
        if not blank:
            assert piece, "the connection was closed before the answer"
            return False
        assert head.startswith(b"HTTP/1.1 200"), self.heard
        length = head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0]
        return len(body) >= int(length)


def post(port: int, key: str, seconds: float, connections: int, *, kept: bool) -> tuple[int, float]:
    selector = selectors.DefaultSelector()
    asked = request(key)
    clients = [Client(port, asked, selector) for _ in range(connections)]
    answered, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for ready, _ in selector.select():
            client: Client = ready.data
            if client.hear():
                answered += 1
                if kept:
                    client.ask()
                else:
                    client.close()
                    client.connect()
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return answered, took


if __name__ == "__main__":
    port, key, seconds, connections, manner = sys.argv[1:]
    answered, took = post(int(port), key, float(seconds), int(connections), kept=manner == "kept")
    print(answered, took)
