"""A name server on a loopback address, UDP and TCP, that says what a test wants, lies too, and counts."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from socketserver import BaseRequestHandler, ThreadingTCPServer, ThreadingUDPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Records = dict[tuple[str, str], list[str]]
"""By name and kind, such as `("example.net.", "MX")`."""


@dataclass(frozen=True, slots=True)
class Question:
    message: dns.message.Message
    tcp: bool

    @property
    def name(self) -> str:
        """In lower case, with its last dot."""
        return self.message.question[0].name.to_text().lower()

    @property
    def kind(self) -> str:
        return self.message.question[0].rdtype.name

    def answer(self, *records: str, ttl: int = 60, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> dns.message.Message:
        """An answer with `records` under the name asked for, or none."""
        response = dns.message.make_response(self.message)
        response.flags |= dns.flags.RA
        response.set_rcode(code)
        if records:
            response.answer.append(dns.rrset.from_text(self.name, ttl, "IN", self.kind, *records))
        return response

    def framed(self, wire: bytes) -> bytes:
        """A message as it goes over the transport it was asked by."""
        return len(wire).to_bytes(2) + wire if self.tcp else wire


Says = Callable[[Question], Iterable[bytes]]
"""What to send, in one piece each: datagrams, or parts of the stream. It may be endless."""


class NameServer:
    def __init__(self, says: Says) -> None:
        self._says = says
        self._stopped = Event()
        self.questions: list[Question] = []
        self._tcp = _Tcp(("127.0.0.1", 0), self._handler(tcp=True))
        self._udp = ThreadingUDPServer(self._tcp.server_address, self._handler(tcp=False))
        self._udp.daemon_threads = True
        self._threads = [Thread(target=each.serve_forever, args=(0.01,)) for each in (self._tcp, self._udp)]

    @classmethod
    def of(cls, records: Records, ttl: int = 60) -> NameServer:
        """One that tells the truth, as far as it goes: a name that isn't there is NXDOMAIN."""
        names = {name for name, _ in records}

        def says(question: Question) -> Iterable[bytes]:
            code = dns.rcode.NOERROR if question.name in names else dns.rcode.NXDOMAIN
            found = records.get((question.name, question.kind), [])
            yield question.framed(question.answer(*found, ttl=ttl, code=code).to_wire())

        return cls(says)

    @property
    def place(self) -> tuple[str, int]:
        host, port = self._tcp.server_address[:2]
        return str(host), port

    def asked(self) -> Counter[tuple[str, str]]:
        """How often which kind of which name, by either transport."""
        return Counter((question.name, question.kind) for question in self.questions)

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()
        for each in self._threads:
            each.join()

    def wait(self, seconds: float) -> bool:
        """Let time pass for a slow answer. Whether the server is at its end."""
        return self._stopped.wait(seconds)

    def _handler(self, *, tcp: bool) -> type[BaseRequestHandler]:
        server = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                send: Callable[[bytes], Any]
                if tcp:
                    length = int.from_bytes(self.request.recv(2, socket.MSG_WAITALL))
                    octets, send = self.request.recv(length, socket.MSG_WAITALL), self.request.sendall
                else:
                    octets, sock = self.request
                    send = lambda wire: sock.sendto(wire, self.client_address)  # noqa: E731  # beside its sibling
                question = Question(dns.message.from_wire(octets), tcp)
                server.questions.append(question)
                with suppress(OSError):  # whoever asked may have gone
                    for each in server._says(question):
                        if server._stopped.is_set():
                            return
                        send(each)

        return Handler


class _Tcp(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100
