"""The wire over real sockets: what it says, what it makes of the answers, and how it ends."""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from threading import Event

import pytest
import trustme

from postroom.delivery.routing import Host, Target
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Credentials, Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.internet.carrying import LETTER, carry, lines, mail, wire_with
from tests.internet.peer import (
    Guest,
    answered,
    encrypted,
    introduced,
    polite,
    serving,
    taken_one_by_one,
    up_to_the_letter,
)


def unmarked(_: Mail) -> bool:
    raise AssertionError("this letter isn't to be marked")


@pytest.mark.parametrize(
    ("extensions", "trips"),
    [(("PIPELINING", "CHUNKING"), 1), (("PIPELINING",), 2), ((), 4)],
    ids=["one flight", "pipelined", "one by one"],
)
def test_a_letter_is_carried(wire: SmtpWire, extensions: tuple[str, ...], trips: int) -> None:
    with serving(lambda guest: polite(guest, *extensions)) as port:
        (carried,) = carry(wire, port, iter([mail()]))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.ACCEPTED]
    assert (carried.mx, carried.address, carried.tls, carried.round_trips) == ("localhost", "127.0.0.1", None, trips)
    said = lines(carried)
    assert said[:2] == ["S: 220 mx.example.net ESMTP", "C: EHLO client.example.org"]
    assert said[-2:] == ["S: 250 2.0.0 taken", "C: QUIT"]
    assert any(f"({len(LETTER)} octets, sha256 " in line for line in said)


@pytest.mark.parametrize("extensions", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_many_letters_share_a_session_and_each_keeps_its_own_part(wire: SmtpWire, extensions: tuple[str, ...]) -> None:
    sessions: list[Guest] = []

    def serve(guest: Guest) -> None:
        sessions.append(guest)
        polite(guest, *extensions)

    with serving(serve) as port:
        carried = carry(wire, port, (mail(f"r{number}@example.net") for number in range(5)))
    assert len(sessions) == 1
    for number, each in enumerate(carried):
        said = lines(each)
        assert [line for line in said if "RCPT" in line] == [f"C: RCPT TO:<r{number}@example.net>"]
        assert said[1] == "C: EHLO client.example.org"
        assert ("C: QUIT" in said) == (number == 4)


def test_a_verdict_is_told_before_the_answer_to_quit() -> None:
    told = Event()

    def serve(guest: Guest) -> None:
        taken_one_by_one(guest)
        assert guest.hear() == b"QUIT\r\n"
        assert told.wait(5), "the verdict waits for our goodbye"
        guest.say("221 bye")

    with serving(serve) as port:
        target = Target(route="r", hosts=(Host("127.0.0.1", port),), security=Security.OPPORTUNISTIC)
        patient = wire_with(Timeouts(quit=10))
        patient.converse(target, iter([mail()]), time.monotonic() + 10, unmarked, lambda *_: told.set())
    assert told.is_set()


@pytest.mark.parametrize("ours", [True, False])
def test_a_letter_to_be_marked_is_marked_before_its_end_is_said(wire: SmtpWire, ours: bool) -> None:
    events: list[str] = []

    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        guest.hear(b"\r\n.\r\n")
        events.append("heard the end")
        guest.say("250 taken")

    def mark(_: Mail) -> bool:
        time.sleep(0.1)
        events.append("marked")
        return ours

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([replace(mail(), marked=True)]), mark=mark)
    assert events == (["marked", "heard the end"] if ours else ["marked"])
    assert carried.verdicts[0].fate is (Fate.ACCEPTED if ours else Fate.DEFERRED)


def test_a_goodbye_between_letters_costs_none_of_them_an_attempt(wire: SmtpWire) -> None:
    """The rest goes in further sessions, and each letter is said to somebody once."""
    heard: list[bytes] = []

    def serve(guest: Guest) -> None:
        taken_one_by_one(guest)
        heard.append(guest.hear())
        guest.say("421 4.7.0 enough for now")

    with serving(serve) as port:
        carried = carry(wire, port, (mail(f"r{number}@example.net") for number in range(4)))
    assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 4
    assert heard == [b"MAIL FROM:<alice@example.org>\r\n"] * 3 + [b"QUIT\r\n"]
    assert "S: 421 4.7.0 enough for now" in lines(carried[1]), "it has seen the session end that it was to go in"


def test_a_goodbye_to_the_first_letter_leaves_the_rest_for_later(wire: SmtpWire) -> None:
    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest)
        guest.hear()
        guest.say("421 4.7.0 not today")

    mails = (mail(f"r{number}@example.net") for number in range(9))
    with serving(serve) as port:
        carried = carry(wire, port, mails)
    fates = [each.verdicts[0].fate for each in carried]
    assert fates[0] is Fate.DEFERRED
    assert set(fates[1:]) == {Fate.NOT_ATTEMPTED}
    assert len(carried) + len(list(mails)) == 9


def test_a_connection_reset_after_the_dot_is_in_doubt(wire: SmtpWire) -> None:
    def serve(guest: Guest) -> None:
        up_to_the_letter(guest, "250 ok", "550 5.1.1 who?")
        guest.hear(b"\r\n.\r\n")
        guest.reset()

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail("bob@example.net", "nobody@example.net")]))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.UNKNOWN, Fate.REFUSED]
    assert "C: QUIT" not in lines(carried)


def test_a_connection_reset_behind_a_chunk_is_in_doubt(wire: SmtpWire) -> None:
    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "PIPELINING", "CHUNKING")
        line = b""
        while not line.startswith(b"BDAT"):
            line = guest.hear()
        guest.hear_octets(len(LETTER))
        guest.reset()

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.UNKNOWN]


def test_a_letter_that_the_kernel_never_took_whole_is_not_in_doubt(wire: SmtpWire) -> None:
    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        time.sleep(0.2)
        guest.reset()

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail(octets=b"x" * 70 + b"\r\n" + b"y" * 900 * 1024 * 20 + b"\r\n")]))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.DEFERRED]


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        pytest.param("250 taken, all of it, surely", Fate.DEFERRED, id="a yes is not believed"),
        pytest.param("552 5.3.4 too much", Fate.REFUSED, id="a refusal is one"),
    ],
)
def test_a_reply_in_the_middle_of_a_letter(wire: SmtpWire, said: str, fate: Fate) -> None:
    def serve(guest: Guest) -> None:
        up_to_the_letter(guest)
        guest.sock.recv(1000)
        guest.say(said)
        over.wait(5)

    over = Event()
    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail(octets=(b"x" * 70 + b"\r\n") * 300_000)]))
        over.set()
    assert [verdict.fate for verdict in carried.verdicts] == [fate]


def test_a_failure_of_our_own_settles_the_letter_and_says_so(wire: SmtpWire, caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda guest: polite(guest, "PIPELINING")) as port:
        (carried,) = carry(wire, port, iter([mail("not a path@example.net")]))
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "internal_error")]
    assert "postroom itself failed: UnsafeCommand" in str(carried.verdicts[0].note)
    assert "a session failed" in caplog.text


def test_what_a_server_offers_can_be_nonsense(wire: SmtpWire) -> None:
    with serving(lambda guest: polite(guest, "SIZE ²", "SIZE ١", "", " ", "PIPELINING \x00")) as port:
        (carried,) = carry(wire, port, iter([mail()]))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.ACCEPTED]


@pytest.mark.parametrize("phase", ["greeting", "EHLO", "MAIL", "final"])
def test_silence_ends_at_the_phases_own_timeout(wire: SmtpWire, phase: str) -> None:
    def serve(guest: Guest) -> None:
        if phase != "greeting":
            guest.say("220 hi")
            if phase != "EHLO":
                introduced(guest, "PIPELINING")
                if phase == "final":
                    guest.hear(b"DATA\r\n")
                    guest.say("250 ok", "250 ok", "354 go on")
        over.wait(5)

    over = Event()
    began = time.monotonic()
    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
        over.set()
    assert time.monotonic() - began < 4
    expected = Fate.UNKNOWN if phase == "final" else Fate.DEFERRED
    assert [verdict.fate for verdict in carried.verdicts] == [expected]


@pytest.mark.parametrize(
    "greeting",
    [b"HTTP/1.0 400 no\r\n", b"220-a\r\n250 b\r\n", b"\xff\xfe\r\n", b"x" * 100_000, b"220-" + b"y" * 70_000 + b"\r\n"],
)
def test_nonsense_ends_the_session_safely(wire: SmtpWire, greeting: bytes) -> None:
    def serve(guest: Guest) -> None:
        guest.sock.sendall(greeting)
        over.wait(5)

    over = Event()
    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]))
        over.set()
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.DEFERRED]
    assert carried.note


def test_the_deadline_ends_a_session_before_the_dot(roots: str) -> None:
    asked = Event()

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "PIPELINING")
        guest.hear(b"DATA\r\n")
        asked.set()
        time.sleep(0.7)
        guest.say("250 ok", "250 ok", "354 go on")
        assert guest.hear() == b""

    with serving(serve) as port:
        (carried,) = carry(wire_with(Timeouts(), roots), port, iter([mail()]), seconds=0.5)
    assert asked.is_set()
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.DEFERRED]


# TLS.


def secure(context: ssl.SSLContext, *extensions: str, login: bytes | None = None) -> object:
    def serve(guest: Guest) -> None:
        guest.say("220 mx.example.net ESMTP")
        introduced(guest, "STARTTLS")
        if guest.hear() != b"STARTTLS\r\n":
            guest.say("421 not in clear text")
            return
        guest.say("220 go ahead")
        guest.encrypt(context)
        introduced(guest, "PIPELINING", *extensions)
        if login is not None:
            answer = guest.hear()
            guest.say("235 welcome" if answer == b"AUTH PLAIN " + login + b"\r\n" else "535 5.7.8 no")
        while True:
            verb = guest.hear()[:4]
            if verb == b"QUIT":
                guest.say("221 bye")
                return
            if verb == b"DATA":
                guest.say("354 go on")
                guest.hear(b"\r\n.\r\n")
            guest.say("250 ok")

    return serve


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("security", "name", "fate"),
    [
        (Security.OPPORTUNISTIC, "elsewhere.example", Fate.ACCEPTED),
        (Security.REQUIRE, "elsewhere.example", Fate.ACCEPTED),
        (Security.VERIFY, "localhost", Fate.ACCEPTED),
        (Security.VERIFY, "elsewhere.example", Fate.DEFERRED),
    ],
)
def test_a_certificate_counts_where_it_is_asked_for(
    wire: SmtpWire, authority: trustme.CA, security: Security, name: str, fate: Fate
) -> None:
    with serving(secure(server_context(authority, name))) as port:  # type: ignore[arg-type]
        (carried,) = carry(wire, port, iter([mail()]), security=security)
    assert [verdict.fate for verdict in carried.verdicts] == [fate]
    if fate is Fate.ACCEPTED:
        assert carried.tls is not None
        assert carried.tls.version == "TLSv1.3"
        assert carried.tls.verified == (security is Security.VERIFY)
    else:
        assert carried.verdicts[0].cause == "tls"


def test_a_broken_starttls_falls_back_to_clear_text_only_where_that_will_do(wire: SmtpWire) -> None:
    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "STARTTLS", "PIPELINING")
        said = guest.hear()
        asked.append(said)
        if said == b"STARTTLS\r\n":
            guest.say("220 go ahead")
            guest.sock.sendall(b"this is no handshake")
            return
        guest.heard = said + guest.heard
        guest.hear(b"DATA\r\n")
        guest.say("250 ok", "250 ok", "354 go on")
        guest.hear(b"\r\n.\r\n")
        guest.say("250 taken")

    asked: list[bytes] = []
    with serving(serve) as port:
        (opportunistic,) = carry(wire, port, iter([mail()]))
        assert asked == [b"STARTTLS\r\n", b"MAIL FROM:<alice@example.org>\r\n"]
        assert "C: STARTTLS" in lines(opportunistic), "the session that broke is part of what happened"
        carry(wire, port, iter([mail()]))
        assert asked[2:] == [b"MAIL FROM:<alice@example.org>\r\n"], "that it broke is remembered"
        (required,) = carry(wire, port, iter([mail()]), security=Security.REQUIRE)
        assert asked[3:] == [b"STARTTLS\r\n"], "and counts for nobody who must not go in clear text"
    assert [verdict.fate for verdict in opportunistic.verdicts] == [Fate.ACCEPTED]
    assert opportunistic.tls is None
    assert [(verdict.fate, verdict.cause) for verdict in required.verdicts] == [(Fate.DEFERRED, "tls")]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("size", [100, 200_000])
def test_under_tls_too_a_connection_lost_after_the_dot_is_in_doubt(
    wire: SmtpWire, authority: trustme.CA, pipelining: bool, size: int
) -> None:
    context = server_context(authority, "localhost")

    def serve(guest: Guest) -> None:
        encrypted(guest, context, *(["PIPELINING"] if pipelining else []))
        answered(guest, "250 ok", "250 ok", "354 go on")
        guest.reset()

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail(octets=b"x" * size + b"\r\n")]))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.UNKNOWN]


@pytest.mark.parametrize(("password", "fate"), [("secret", Fate.ACCEPTED), ("wrong", Fate.DEFERRED)])
def test_a_relay_gets_our_credentials_and_the_transcript_does_not(
    wire: SmtpWire, authority: trustme.CA, password: str, fate: Fate
) -> None:
    serve = secure(server_context(authority, "localhost"), "AUTH PLAIN", login=b"AGFsaWNlAHNlY3JldA==")
    with serving(serve) as port:  # type: ignore[arg-type]
        (carried,) = carry(wire, port, iter([mail()]), credentials=Credentials("alice", password))
    assert [verdict.fate for verdict in carried.verdicts] == [fate]
    said = lines(carried)
    assert "C: AUTH PLAIN (credentials left out)" in said
    assert not any("AGFsaWNl" in line or password in line for line in said)


def test_a_relay_that_says_a_secret_back_later_is_not_quoted(wire: SmtpWire, authority: trustme.CA) -> None:
    context = server_context(authority, "localhost")

    def serve(guest: Guest) -> None:
        encrypted(guest, context, "AUTH PLAIN")
        secret = guest.hear().split()[-1].decode()
        guest.say("235 welcome")
        guest.hear()
        guest.say(f"550 5.7.1 not for {secret}, who says open-sesame")

    with serving(serve) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=Credentials("alice", "open-sesame"))
    said = " ".join([*lines(carried), str(carried.verdicts[0].reply), str(carried.note)])
    assert "550 5.7.1 not for (left out), who says (left out)" in said
    assert "sesame" not in said


# Reaching.


def test_the_next_address_is_asked_where_the_first_refuses(wire: SmtpWire) -> None:
    with serving(lambda guest: polite(guest)) as port:
        carried: list[Carried] = []
        hosts = (Host("127.0.0.9", port), Host("127.0.0.1", port))
        target = Target(route="r", hosts=hosts, security=Security.OPPORTUNISTIC)
        wire.converse(target, iter([mail()]), time.monotonic() + 10, unmarked, lambda _, each: carried.append(each))
    assert [(each.mx, each.verdicts[0].fate) for each in carried] == [("127.0.0.1", Fate.ACCEPTED)]


def test_no_other_address_is_asked_once_a_letter_was_refused(wire: SmtpWire) -> None:
    asked: list[Guest] = []

    def serve(guest: Guest) -> None:
        asked.append(guest)
        guest.say("220 hi")
        introduced(guest)
        guest.hear()
        guest.say("550 5.7.1 no")

    with serving(serve) as port:
        target = Target(route="r", hosts=(Host("127.0.0.1", port),) * 3, security=Security.OPPORTUNISTIC)
        wire.converse(target, iter([mail()]), time.monotonic() + 10, unmarked, lambda *_: None)
    assert len(asked) == 1


def test_a_caller_that_fails_ends_the_session(wire: SmtpWire) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the store is gone")

    with serving(lambda guest: polite(guest)) as port:
        target = Target(route="r", hosts=(Host("127.0.0.1", port),), security=Security.OPPORTUNISTIC)
        with pytest.raises(RuntimeError, match="the store is gone"):
            wire.converse(target, iter([mail(), mail(), mail()]), time.monotonic() + 10, unmarked, fail)
