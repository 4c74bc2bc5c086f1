"""What a route says of its sessions is done, and a fallback takes over where none of its servers can be reached."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from postroom.delivery.routing import Approach, Host, Target
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.internet.carrying import lines, mail, wire_with
from tests.internet.peer import Guest, heard_one_by_one, introduced, polite, serving, taken_one_by_one


def to(port: int, route: str = "r", fallback: Target | None = None, **approach: object) -> Target:
    return Target(
        route=route,
        hosts=(Host("127.0.0.1", port),),
        security=Security.OPPORTUNISTIC,
        approach=Approach(**approach),  # type: ignore[arg-type]  # by name
        fallback=fallback,
    )


def carry_to(wire: SmtpWire, target: Target, *mails: Mail, seconds: float = 10) -> list[Carried]:
    carried: list[Carried] = []
    wire.converse(
        target,
        iter(mails or (mail(),)),
        time.monotonic() + seconds,
        lambda _: True,
        lambda _, each: carried.append(each),
    )
    return carried


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody answers."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


# What a route says of its sessions.


def test_a_route_has_a_name_of_its_own_to_say(wire: SmtpWire) -> None:
    said: list[bytes] = []

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        said.append(guest.hear())
        guest.say("421 enough")

    with serving(serve) as port:
        carry_to(wire, to(port, helo="out-2.example.org"))
    assert said == [b"EHLO out-2.example.org\r\n"]


def test_a_route_has_an_address_of_its_own_to_dial_from(wire: SmtpWire) -> None:
    sources: list[str] = []

    def serve(guest: Guest) -> None:
        sources.append(guest.sock.getpeername()[0])
        polite(guest)

    with serving(serve) as port:
        (carried,) = carry_to(wire, to(port, source="127.0.0.77"))
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    assert sources == ["127.0.0.77"]


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("192.0.2.7", "this machine can't dial from 192.0.2.7: Cannot assign requested address"),
        ("::1", "127.0.0.1 has no address of the kind of ::1, which this route dials from"),
    ],
)
def test_an_address_that_it_cant_dial_from_is_named(wire: SmtpWire, source: str, note: str) -> None:
    target = replace(to(25, source=source), hosts=(Host("127.0.0.1", 25), Host("127.0.0.1", 26)))
    (carried,) = carry_to(wire, target)
    assert (carried.verdicts[0].fate, carried.verdicts[0].cause, carried.note) == (Fate.DEFERRED, "source", note)


def test_a_route_has_fewer_letters_a_session(wire: SmtpWire) -> None:
    sessions: list[Guest] = []

    def serve(guest: Guest) -> None:
        sessions.append(guest)
        polite(guest, "PIPELINING", "CHUNKING")

    with serving(serve) as port:
        carried = carry_to(wire, to(port, letters=2), *(mail(f"r{number}@example.net") for number in range(5)))
    assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 5
    assert len(sessions) == 3


def test_a_route_waits_as_long_as_it_says() -> None:
    def serve(guest: Guest) -> None:
        guest.sock.recv(1)  # until the client has had enough

    patient = wire_with(Timeouts(greeting=8, quit=0.1))
    began = time.monotonic()
    with serving(serve) as port:
        (carried,) = carry_to(patient, to(port, timeouts=(("greeting", 0.2),)))
    assert time.monotonic() - began < 4
    assert "didn't greet" in str(carried.note)


# A fallback.


def test_a_fallback_carries_what_cant_be_carried_by_the_route_itself(wire: SmtpWire, nobody: int) -> None:
    with serving(lambda guest: polite(guest, "PIPELINING")) as port:
        mails = [mail(f"r{number}@example.net") for number in range(3)]
        carried = carry_to(wire, to(nobody, "first", to(nobody, "second", to(port, "third"))), *mails)
    assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 3
    for each in carried:
        assert each.route == "third"
        assert each.note == (
            f"Route first could not be used: 127.0.0.1:{nobody}: Connection refused. "
            f"Route second could not be used: 127.0.0.1:{nobody}: Connection refused."
        )


def test_where_no_route_can_be_used_all_of_them_are_named(wire: SmtpWire, nobody: int) -> None:
    def turn_away(guest: Guest) -> None:
        guest.say("554 5.7.1 not you")

    with serving(turn_away) as port:
        (carried,) = carry_to(wire, to(nobody, "first", to(port, "second")))
    assert carried.route == "second"
    assert carried.note == (
        f"Route first could not be used: 127.0.0.1:{nobody}: Connection refused. "
        "The server turned us away with its greeting"
    )
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "turned_away")
    assert lines(carried)[0] == "S: 554 5.7.1 not you"


@pytest.mark.parametrize("answer", ["450 4.2.1 later", "550 5.1.1 nobody", "421 4.3.2 bye", "(hangs up)"])
def test_a_server_that_was_asked_about_a_letter_has_the_last_word(wire: SmtpWire, answer: str) -> None:
    asked_the_fallback: list[Guest] = []

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest)
        assert guest.hear().startswith(b"MAIL")
        if answer != "(hangs up)":
            guest.say(answer)

    with serving(serve) as port, serving(asked_the_fallback.append) as other:
        (carried,) = carry_to(wire, to(port, "first", to(other, "second")))
    assert carried.route == "first"
    assert carried.verdicts[0].fate is (Fate.REFUSED if answer.startswith("5") else Fate.DEFERRED)
    assert not asked_the_fallback


def test_a_letter_whose_server_went_away_before_its_turn_goes_by_the_fallback(wire: SmtpWire) -> None:
    """The first server takes one letter, says goodbye and is gone: nobody has heard of the second letter."""
    first: list[int] = []
    second: list[bytes] = []

    def take_one(guest: Guest) -> None:
        if first:
            return  # it hangs up without a greeting
        first.append(1)
        taken_one_by_one(guest)
        guest.hear()
        guest.say("421 4.7.0 enough")

    def take_all(guest: Guest) -> None:
        guest.said = second
        polite(guest)

    with serving(take_one) as port, serving(take_all) as other:
        carried = carry_to(
            wire,
            to(port, "first", to(other, "second")),
            mail("a@example.net"),
            mail("b@example.net"),
            mail("c@example.net"),
        )
    assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 3
    assert [each.route for each in carried] == ["first", "second", "second"]
    assert [line for line in second if line.startswith(b"RCPT")] == [
        b"RCPT TO:<b@example.net>\r\n",
        b"RCPT TO:<c@example.net>\r\n",
    ]


def test_a_letter_that_is_in_doubt_stays_in_doubt(wire: SmtpWire) -> None:
    """The server may have taken it, so the fallback must never see it."""
    asked_the_fallback: list[Guest] = []

    def serve(guest: Guest) -> None:
        heard_one_by_one(guest)
        guest.reset()

    with serving(serve) as port, serving(asked_the_fallback.append) as other:
        (carried,) = carry_to(wire, to(port, "first", to(other, "second")))
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.UNKNOWN]
    assert not asked_the_fallback


def test_a_fallback_keeps_to_its_own_security_and_to_the_letters(wire: SmtpWire, nobody: int) -> None:
    letter = replace(mail(), security=Security.REQUIRE)
    with serving(lambda guest: polite(guest)) as port:
        (carried,) = carry_to(wire, to(nobody, "first", to(port, "second")), letter)
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "tls")]


def test_a_server_without_the_tls_that_was_asked_for_is_no_reason_to_trust_another(wire: SmtpWire) -> None:
    """Whoever strips STARTTLS would choose where the letter goes."""
    asked_the_fallback: list[Guest] = []

    with serving(lambda guest: polite(guest)) as port, serving(asked_the_fallback.append) as other:
        target = replace(to(port, "first", to(other, "second")), security=Security.REQUIRE)
        (carried,) = carry_to(wire, target)
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "tls")]
    assert not asked_the_fallback


def test_what_neither_the_target_nor_its_fallback_took_is_told_of_both(wire: SmtpWire, nobody: int) -> None:
    with serving(lambda guest: guest.say("554 5.7.1 not from you")) as port:
        (carried,) = carry_to(wire, to(nobody, "first", to(port, "second")))
    assert (carried.route, carried.missed) == ("second", "connection_refused")
