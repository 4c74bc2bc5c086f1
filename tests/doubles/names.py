"""A DNS server on the loopback that knows what a test tells it, and says of everything else that it isn't there."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]
"""Records by name and kind, as in `{("example.net.", "MX"): ["10 mx.example.net."]}`."""


@contextmanager
def names(zone: Zone) -> Iterator[str]:
    """Where it answers, `address:port`."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while (asked := server.recvfrom(4096))[0] != b"stop":
            octets, client = asked
            server.sendto(_answer(dns.message.from_wire(octets), zone).to_wire(), client)

    thread = Thread(target=serve)
    thread.start()
    host, port = server.getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.sendto(b"stop", (host, port))
        thread.join()
        server.close()


def _answer(query: dns.message.Message, zone: Zone) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    (question,) = query.question
    name, kind = question.name.to_text().lower(), question.rdtype.name
    if (name, kind) in zone:
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *zone[name, kind]))
    elif name not in {known for known, _ in zone}:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response
