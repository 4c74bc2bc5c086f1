"""A server that a test scripts over a real socket: it says what it is told, when it is told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

Serve = Callable[["Guest"], None]


class Guest:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock: socket.socket | ssl.SSLSocket = sock
        self.heard = b""
        self.said: list[bytes] = []  # all that `hear` has returned

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
        self.said.append(said + until)
        return self.said[-1]

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


# Servers that behave.


def polite(guest: Guest, *extensions: str) -> None:
    """Greet, answer EHLO, take letters until QUIT; pipelined or not."""
    guest.say("220 mx.example.net ESMTP")
    introduced(guest, *extensions)
    while True:
        line = guest.hear()
        verb = line[:4].upper()
        if verb == b"BDAT":
            guest.hear_octets(int(line.split()[1]))
            guest.say("250 2.0.0 taken")
        elif verb == b"DATA":
            guest.say("354 go on")
            guest.hear(b"\r\n.\r\n")
            guest.say("250 2.0.0 taken")
        elif verb == b"QUIT":
            guest.say("221 bye")
            return
        else:
            guest.say("250 ok")


def introduced(guest: Guest, *extensions: str) -> None:
    assert guest.hear() == b"EHLO client.example.org\r\n"
    said = ["mx.example.net", *extensions]
    guest.say(*(f"250{'-' if at < len(said) - 1 else ' '}{each}" for at, each in enumerate(said)))


def encrypted(guest: Guest, context: ssl.SSLContext, *extensions: str, in_clear: Sequence[str] = ()) -> None:
    """Greet, answer EHLO and STARTTLS, and EHLO under TLS, with what is offered in clear text beside STARTTLS."""
    guest.say("220 mx.example.net ESMTP")
    introduced(guest, "STARTTLS", *in_clear)
    assert guest.hear() == b"STARTTLS\r\n"
    guest.say("220 go ahead")
    guest.encrypt(context)
    introduced(guest, *extensions)


def up_to_the_letter(guest: Guest, *replies: str) -> None:
    """Answer everything up to DATA in one flight; by default one recipient is accepted."""
    guest.say("220 hi")
    introduced(guest, "PIPELINING")
    guest.hear(b"DATA\r\n")
    guest.say("250 ok", *(replies or ("250 ok",)), "354 go on")


def answered(guest: Guest, *answers: str) -> None:
    """An answer to each line, the last one being 354, and the letter behind it."""
    for answer in answers:
        guest.hear()
        guest.say(answer)
    guest.hear(b"\r\n.\r\n")


def heard_one_by_one(guest: Guest) -> None:
    """Hear a letter to its end from a client that may say one command at a time."""
    guest.say("220 hi")
    introduced(guest)
    answered(guest, "250 ok", "250 ok", "354 go on")


def taken_one_by_one(guest: Guest) -> None:
    """Take it, too."""
    heard_one_by_one(guest)
    guest.say("250 taken")
