"""What happens at the socket: last words, letters in slices, sweeps of deadlines, and replies nobody asked for."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest
import trustme

from postroom.internet.exchange import Exchange
from postroom.internet.wire import SmtpWire
from postroom.smtp.commands import Content
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.internet.carrying import LETTER, QUICK, carry, lines, mail, wire_with
from tests.internet.peer import Guest, encrypted, introduced, serving, up_to_the_letter
from tests.internet.test_wire import server_context

LARGE = b"Subject: x\r\n\r\n" + b".a line that begins with a dot\r\nand one that doesn't\r\n" * 40_000


def test_a_large_letter_arrives_as_it_is(wire: SmtpWire) -> None:
    heard: list[bytes] = []

    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        heard.append(guest.hear(b"\r\n.\r\n"))
        guest.say("250 taken")

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail(octets=LARGE)]))
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    (taken,) = heard
    unstuffed = b"\n".join(line.removeprefix(b".") for line in taken.removesuffix(b".\r\n").split(b"\n"))
    assert unstuffed == LARGE
    digest = hashlib.sha256(LARGE).hexdigest()
    assert f"C: ({len(LARGE)} octets, sha256 {digest}) ." in lines(carried)


def test_a_server_that_takes_a_letter_slowly_is_waited_for_and_one_that_stops_is_not() -> None:
    patience = replace(QUICK, data=0.4, final=5)

    def slow(guest: Guest) -> None:
        up_to_the_letter(guest)
        end, heard = b"\r\n.\r\n", b""
        while not heard.endswith(end):
            heard = heard[-8:] + guest.sock.recv(64 * 1024)
            time.sleep(0.02)  # altogether longer than what it may take to show some progress
        guest.say("250 taken")

    def deaf(guest: Guest) -> None:
        up_to_the_letter(guest)
        over.wait(5)

    over = Event()
    with serving(slow) as port:
        began = time.monotonic()
        (carried,) = carry(wire_with(patience), port, iter([mail(octets=LARGE * 3)]))
        assert time.monotonic() - began > 0.8
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    with serving(deaf) as port:
        began = time.monotonic()
        (carried,) = carry(wire_with(patience), port, iter([mail(octets=LARGE * 10)]))
        assert time.monotonic() - began < 3
        over.set()
    assert carried.verdicts[0].fate is Fate.DEFERRED, "it can't have the letter"
    assert "took nothing more of the letter" in str(carried.verdicts[0].note)


def test_under_tls_too_large_letters_arrive_at_a_server_that_reads_slowly(authority: trustme.CA) -> None:
    """Several at once: whoever holds one back must let it go again."""
    context = server_context(authority, "localhost")

    def serve(guest: Guest) -> None:
        encrypted(guest, context, "PIPELINING")
        guest.hear(b"DATA\r\n")
        guest.say("250 ok", "250 ok", "354 go on")
        heard = b""
        while not heard.endswith(b"\r\n.\r\n"):
            heard = heard[-8:] + guest.sock.recv(128 * 1024)
            time.sleep(0.002)
        guest.say("250 taken")

    patient = wire_with(Timeouts())
    with serving(serve) as port, ThreadPoolExecutor(4) as threads:
        sent = [threads.submit(carry, patient, port, iter([mail(octets=LARGE)])) for _ in range(4)]
        fates = [carried.verdicts[0].fate for each in sent for carried in each.result(20)]
    assert fates == [Fate.ACCEPTED] * 4


def test_a_server_that_hangs_up_in_the_middle_gets_no_more_of_the_letter(wire: SmtpWire) -> None:
    """It says that it will say no more, and reads on: what is settled as not handed over must not arrive after all."""
    heard: list[bytes] = []
    settled = Event()

    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        guest.sock.shutdown(socket.SHUT_WR)
        assert settled.wait(5)
        with contextlib.suppress(ConnectionError):
            while piece := guest.sock.recv(256 * 1024):
                heard.append(piece)

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail(octets=LARGE * 6)]))
        settled.set()
    assert carried.verdicts[0].fate is Fate.DEFERRED
    assert not b"".join(heard).endswith(b"\r\n.\r\n")


def test_the_last_words_of_a_server_that_hangs_up_are_heard(wire: SmtpWire) -> None:
    """It refuses and resets while we are still writing: our writing fails first, and its words are there to read."""

    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        guest.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        guest.sock.recv(1000)
        guest.say("554 5.7.1 we don't like the look of this")
        guest.sock.close()  # with octets unread: a reset

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail(octets=LARGE * 4)]))
    assert carried.verdicts[0].fate is Fate.REFUSED
    assert "S: 554 5.7.1 we don't like the look of this" in lines(carried)


def test_what_was_said_to_a_server_that_reset_is_read_from_the_socket_itself(
    wire: SmtpWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop drops what has come in where a write fails first. It is made to, by a transport that breaks."""
    broken = Event()

    class Breaking(Exchange):
        def _write(self, octets: bytes) -> None:
            super()._write(octets)
            if any(isinstance(command, Content) for command in self._outstanding):
                # The answer is in the kernel's hands when the transport gives up, as it does on EPIPE.
                assert said.wait(3)
                self._loop.remove_reader(self._sock.fileno()) if hasattr(self._loop, "_selector") else None
                self._transport.set_protocol(_Deaf(self))
                self._transport.abort()

    class _Deaf(Exchange):
        def __init__(self, owner: Exchange) -> None:
            self._owner = owner

        def connection_lost(self, exc: Exception | None) -> None:
            del exc
            broken.set()
            self._owner.connection_lost(ConnectionResetError("reset"))

    said = Event()

    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        guest.hear(b"\r\n.\r\n")
        guest.say("550 5.7.1 no, thank you")
        said.set()

    monkeypatch.setattr("postroom.internet.connection.Exchange", Breaking)
    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
    assert broken.is_set()
    assert carried.verdicts[0].fate is Fate.REFUSED
    assert "S: 550 5.7.1 no, thank you" in lines(carried)


def test_octets_behind_the_answer_to_starttls_end_the_session(wire: SmtpWire, authority: trustme.CA) -> None:
    """RFC 3207 §4.2: somebody on the way may have slipped them in before the handshake."""
    context = server_context(authority, "localhost")

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "STARTTLS")
        guest.hear()
        guest.say("220 go ahead", "250-evil.example", "250 AUTH PLAIN")
        guest.encrypt(context)

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]), security=Security.REQUIRE)
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "tls")
    assert "the server spoke out of turn" in str(verdict.note)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"250-mx\r\n550 no\r\n", "the code changed inside one reply"),
        (b"250 mx\r\n250 mx\r\n", "the server spoke out of turn"),
        (b"250-" + b"x" * 3000 + b"\r\n", "longer than 2048 octets"),
        (b"250-x\r\n" * 600, "longer than 512 lines"),
        (b"hello, dear\r\n", "this isn't a reply"),
        (b"250 mx\r\n25", "the server sent more than its reply"),
    ],
)
def test_an_answer_to_ehlo_is_kept_to_our_own_limits(wire: SmtpWire, said: bytes, why: str) -> None:
    over = Event()

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        guest.hear()
        guest.sock.sendall(said)
        over.wait(5)

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
        over.set()
    (verdict,) = carried.verdicts
    assert verdict.fate is Fate.DEFERRED
    assert why in str(verdict.note)


def test_a_reply_with_line_feeds_alone_and_odd_octets_is_a_reply(wire: SmtpWire) -> None:
    def serve(guest: Guest) -> None:
        guest.sock.sendall(b"220 h\xefllo\n")
        guest.hear()
        guest.sock.sendall(b"250-\xff\xfe\n250 PIPELINING\n")
        guest.hear(b"DATA\r\n")
        guest.sock.sendall("250 schön\n250 ok\n354 go on\n".encode())
        guest.hear(b"\r\n.\r\n")
        guest.sock.sendall(b"250 t\xe4ken \x1b[31m\n")

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    said = lines(carried)
    assert "S: 250 schön" in said
    assert r"S: 250 täken \x1b[31m" in said


@pytest.mark.parametrize(
    ("more", "fate"),
    [("250 taken", Fate.ACCEPTED), ("554 5.7.1 no", Fate.UNKNOWN), ("421 4.3.2 closing", Fate.ACCEPTED)],
)
def test_one_reply_too_many_is_never_taken_for_a_verdict(wire: SmtpWire, more: str, fate: Fate) -> None:
    flights: list[int] = []

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "PIPELINING", "CHUNKING")
        while not (line := guest.hear()).startswith(b"BDAT"):
            flights.append(len(guest.heard))
        guest.hear_octets(len(LETTER))
        assert line
        guest.say("250 ok", "250 ok", "250 taken", more)

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
        assert [verdict.fate for verdict in carried.verdicts] == [fate]
        if more.startswith("421"):
            return
        flights.clear()
        carry(wire, port, iter([mail()]))
        assert flights == [0], "a host that loses count is told one thing at a time"


def test_deadlines_are_kept_by_one_sweep_for_all() -> None:
    """Several sessions that wait at once are each ended at their own phase's time."""
    over = Event()

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "PIPELINING")
        over.wait(10)

    quick, slow = (wire_with(Timeouts(command=seconds)) for seconds in (0.2, 1.3))
    with serving(serve) as port, ThreadPoolExecutor(4) as threads:
        took = {}

        def timed(name: str, wire: SmtpWire) -> Fate:
            began = time.monotonic()
            (carried,) = carry(wire, port, iter([mail()]))
            took[name] = time.monotonic() - began
            return carried.verdicts[0].fate

        fates = [threads.submit(timed, *each) for each in (("slow", slow), ("quick", quick))]
        assert [each.result(10) for each in fates] == [Fate.DEFERRED, Fate.DEFERRED]
        over.set()
    assert 0.2 <= took["quick"] < 1.2
    assert 1.3 <= took["slow"] < 2.6
