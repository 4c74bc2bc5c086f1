"""A web server that a test scripts over a real socket, with TLS and without."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_network

import trustme

from postroom.internet.guard import Guard
from postroom.internet.http import Https
from tests.internet.peer import Guest, Serve

ANYWHERE = "127.0.0.1"  # where every host is, for the tests


def client(roots: str | None = None, addresses: Callable[[str], tuple[str, ...]] = lambda _: (ANYWHERE,)) -> Https:
    return Https(addresses=addresses, guard=Guard([ip_network("127.0.0.0/8")]), ca_file=roots)


def certificate(
    authority: trustme.CA, *names: str, until: datetime | None = None, common_name: str | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=until, common_name=common_name).configure_cert(context)
    return context


def answering(
    answer: bytes | Callable[[Guest], None], context: ssl.SSLContext | None = None, heard: list[bytes] | None = None
) -> Serve:
    """A server that hears a request's head, says `answer` or does what it does, and leaves."""

    def serve(guest: Guest) -> None:
        if context is not None:
            guest.encrypt(context)
        head = guest.hear(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        if callable(answer):
            answer(guest)
        else:
            guest.sock.sendall(answer)
        if isinstance(guest.sock, ssl.SSLSocket) and guest.sock.fileno() >= 0:
            guest.sock.unwrap()

    return serve


def page(body: bytes, *fields: str, status: str = "200 OK", media_type: str = "text/plain") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
