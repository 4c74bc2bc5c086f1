"""A SOCKS5 server for the tests: it keeps to RFC 1928 and RFC 1929, but where a test has it do otherwise."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Event, Thread

from tests.internet.peer import Guest

IPV4_BOUND = b"\x01\x7f\x00\x00\x01\x00\x00"
IPV6_BOUND = b"\x04" + bytes(18)
NAME_BOUND = b"\x03\x0bexample.net\x00\x19"


@dataclass
class Socks:
    """Serves one connection a call; what it was asked for is in `asked`."""

    login: tuple[str, str] | None = None  # wanted of everybody
    answer: int = 0  # to everybody who asks to be connected
    bound: bytes = IPV4_BOUND
    crumbs: bool = False  # one octet at a time
    asked: list[tuple[str, int]] = field(default_factory=list)
    offered: list[bytes] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def __call__(self, guest: Guest) -> None:
        self.sources.append(guest.sock.getpeername()[0])
        version, methods = guest.hear_octets(2)
        assert version == 5
        self.offered.append(guest.hear_octets(methods))
        wanted = 0 if self.login is None else 2
        if wanted not in self.offered[-1]:
            return self.say(guest, b"\x05\xff")
        self.say(guest, bytes([5, wanted]))
        if self.login is not None and not self._knows(guest):
            return self.say(guest, b"\x01\x01")
        version, command, _, kind = guest.hear_octets(4)
        assert (version, command) == (5, 1)
        assert kind in (1, 4), "asked for a name"
        address = str(ip_address(guest.hear_octets(4 if kind == 1 else 16)))
        port = int.from_bytes(guest.hear_octets(2))
        self.asked.append((address, port))
        answer, other = self.answer, None
        if answer == 0:
            try:
                other = socket.create_connection((address, port), 5)
            except OSError:
                answer = 5
        self.say(guest, bytes([5, answer, 0]) + self.bound)
        if other is not None:
            self._pass_on(guest, other)
        return None

    def say(self, guest: Guest, octets: bytes) -> None:
        pieces = [bytes([each]) for each in octets] if self.crumbs else [octets]
        for piece in pieces:
            guest.sock.sendall(piece)

    def _knows(self, guest: Guest) -> bool:
        assert guest.hear_octets(1) == b"\x01"
        name, password = (guest.hear_octets(guest.hear_octets(1)[0]).decode() for _ in range(2))
        known = (name, password) == self.login
        if known:
            self.say(guest, b"\x01\x00")
        return known

    def _pass_on(self, guest: Guest, other: socket.socket) -> None:
        def copy(one: socket.socket, two: socket.socket) -> None:
            with suppress(OSError):
                while octets := one.recv(65536):
                    two.sendall(octets)
            with suppress(OSError):
                two.shutdown(socket.SHUT_WR)

        other.settimeout(10)
        back = Thread(target=copy, args=(other, guest.sock))
        back.start()
        if guest.heard:
            other.sendall(guest.heard)
        copy(guest.sock, other)
        back.join(10)
        other.close()


@dataclass
class Rude:
    """Says the given octets after each of the client's, whatever these are, then falls silent or hangs up."""

    says: tuple[bytes, ...]
    hangs_up: bool = True
    over: Event = field(default_factory=Event)

    def __call__(self, guest: Guest) -> None:
        guest.sock.recv(1024)
        for number, octets in enumerate(self.says, 1):
            guest.sock.sendall(octets)
            if number < len(self.says):
                guest.sock.recv(1024)
        if not self.hangs_up:
            self.over.wait(10)
