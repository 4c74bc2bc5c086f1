"""Credentials are shown to a relay under TLS, once, and no transcript has them."""

from __future__ import annotations

import base64
import ssl
from threading import Event

import pytest
import trustme

from postroom.internet.wire import SmtpWire
from postroom.smtp.security import Credentials, Mechanism
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.internet.carrying import carry, lines, mail, wire_with
from tests.internet.peer import Guest, encrypted, serving
from tests.internet.test_wire import server_context


class Relay:
    """Answers AUTH with the replies it was given, one a step, and takes letters from whoever got a 235."""

    def __init__(self, context: ssl.SSLContext, offer: str, *replies: str) -> None:
        self.said: list[str] = []
        self.over = Event()
        self._context, self._offer, self._replies = context, offer, replies

    def __call__(self, guest: Guest) -> None:
        encrypted(guest, self._context, self._offer, in_clear=[self._offer])
        for reply in self._replies:
            self.said.append(guest.hear().decode().removesuffix("\r\n"))
            if reply == "(nothing)":
                self.over.wait(5)
                return
            guest.say(reply.replace("(echo)", self.said[-1]))
        for answer in ("250 ok", "250 ok", "354 go on"):
            if guest.hear() == b"QUIT\r\n":
                guest.say("221 bye")
                return
            guest.say(answer)
        guest.hear(b"\r\n.\r\n")
        guest.say("250 taken")


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority, "localhost")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ALICE = Credentials("alice", "open sesame")
BEARER = Credentials("alice", "ya29.token", Mechanism.XOAUTH2)


def test_login_is_said_step_by_step_and_each_has_its_time(wire: SmtpWire, context: ssl.SSLContext) -> None:
    relay = Relay(context, "AUTH LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 2.7.0 welcome")
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=ALICE)
    assert relay.said == ["AUTH LOGIN", encoded("alice"), encoded("open sesame")]
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    said = lines(carried)
    at = said.index("C: AUTH LOGIN")
    assert said[at : at + 6] == [
        "C: AUTH LOGIN",
        "S: 334 VXNlcm5hbWU6",
        "C: (an answer left out)",
        "S: 334 UGFzc3dvcmQ6",
        "C: (an answer left out)",
        "S: 235 2.7.0 welcome",
    ]
    times = [line.at_ms for line in carried.transcript]
    assert times == sorted(times)
    assert len({line.at_ms for line in carried.transcript[at : at + 6]}) == 6


def test_a_token_is_shown_as_google_and_microsoft_want_it(wire: SmtpWire, context: ssl.SSLContext) -> None:
    relay = Relay(context, "AUTH PLAIN LOGIN XOAUTH2", "235 2.7.0 accepted")
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=BEARER)
    assert relay.said == [f"AUTH XOAUTH2 {encoded('user=alice' + chr(1) + 'auth=Bearer ya29.token' + chr(1) * 2)}"]
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    assert "C: AUTH XOAUTH2 (credentials left out)" in lines(carried)


def test_why_a_token_was_refused_is_heard_out(wire: SmtpWire, context: ssl.SSLContext) -> None:
    relay = Relay(context, "AUTH XOAUTH2", f"334 {encoded('{}')}", "535 5.7.8 the token has expired")
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=BEARER)
    assert relay.said[1] == ""
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "auth")
    assert verdict.reply is not None
    assert verdict.reply.quoted() == "535 5.7.8 the token has expired"


@pytest.mark.parametrize("reply", ["432 4.7.12 change it", "454 4.7.0 later", "534 5.7.9 too weak", "535 5.7.8 no"])
def test_a_refusal_is_our_trouble_and_no_other_mechanism_is_tried(
    wire: SmtpWire, context: ssl.SSLContext, reply: str
) -> None:
    relay = Relay(context, "AUTH PLAIN LOGIN", reply)
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=ALICE)
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "auth")]
    assert len(relay.said) == 1
    assert sum("AUTH" in line for line in lines(carried) if line.startswith("C: ")) == 1


@pytest.mark.parametrize("replies", [("421 4.3.2 bye",), ("334 VXNlcm5hbWU6", "421 4.3.2 bye")])
def test_a_goodbye_is_no_word_on_our_credentials(
    wire: SmtpWire, context: ssl.SSLContext, replies: tuple[str, ...]
) -> None:
    relay = Relay(context, "AUTH LOGIN", *replies)
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=ALICE)
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "turned_away")]
    assert len(relay.said) == len(replies)


@pytest.mark.parametrize(
    ("credentials", "offer"), [(ALICE, "AUTH PLAIN"), (ALICE, "AUTH LOGIN"), (BEARER, "AUTH XOAUTH2")], ids=str
)
def test_a_relay_that_says_our_secret_back_is_not_quoted(
    wire: SmtpWire, context: ssl.SSLContext, credentials: Credentials, offer: str
) -> None:
    asked = ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6") if offer == "AUTH LOGIN" else ()
    relay = Relay(context, offer, *asked, f"535 (echo) and {credentials.password} are wrong")
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=credentials)
    kept = f"{lines(carried)} {carried}"
    assert "and (left out) are wrong" in kept
    assert credentials.password not in kept
    assert relay.said[-1].split()[-1] not in kept


def test_a_relay_that_falls_silent_at_auth_ends_the_session_in_time(context: ssl.SSLContext, roots: str) -> None:
    relay = Relay(context, "AUTH LOGIN", "334 VXNlcm5hbWU6", "(nothing)")
    hasty = wire_with(Timeouts(command=0.3, greeting=5), roots)
    with serving(relay) as port:
        (carried,) = carry(hasty, port, iter([mail()]), credentials=ALICE)
        relay.over.set()
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "connection_lost")]
    assert "The session ended at AUTH: no reply in time" in str(carried.note)


def test_a_challenge_that_comes_with_another_reply_ends_the_session(wire: SmtpWire, context: ssl.SSLContext) -> None:
    relay = Relay(context, "AUTH LOGIN", "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6", "235 in")
    with serving(relay) as port:
        (carried,) = carry(wire, port, iter([mail()]), credentials=ALICE)
    assert carried.verdicts[0].fate is Fate.DEFERRED
    assert relay.said == ["AUTH LOGIN"]
