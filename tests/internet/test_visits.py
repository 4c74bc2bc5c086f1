"""Servers that are visited without a letter: what is said to them, and what they show."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from ipaddress import ip_network
from time import monotonic

import pytest
import trustme

from postroom.delivery.routing import Host, Target
from postroom.internet.guard import Guard
from postroom.internet.loop import Background
from postroom.internet.reach import Reach
from postroom.internet.resolver import DnsResolver
from postroom.internet.visits import SmtpVisits
from postroom.ports import Visit
from postroom.smtp.security import Credentials, Security
from tests.internet.carrying import QUICK
from tests.internet.peer import Guest, serving
from tests.internet.web import certificate

US = "9.9.9.10"
BACKGROUND = Background()


def visited(
    port: int,
    *,
    roots: str | None = None,
    guard: Guard | None = None,
    security: Security = Security.OPPORTUNISTIC,
    credentials: Credentials | None = None,
    seconds: float = 5,
) -> Visit:
    guard = guard or Guard([ip_network("127.0.0.0/8")])
    reach = Reach(helo="client.example.org", timeouts=QUICK, resolver=DnsResolver(), guard=guard, ca_file=roots)
    target = Target(route="r", hosts=(Host("localhost", port),), security=security, credentials=credentials)
    return SmtpVisits(reach, BACKGROUND).visit(target, seconds)


def talking(
    heard: list[str],
    greeting: str = "220 mx.example.net",
    hello: str = "mx.example.net",
    tls: ssl.SSLContext | None = None,
) -> Callable[[Guest], None]:
    """A server that offers STARTTLS where it has a certificate, then AUTH, and keeps all that it hears."""

    def serve(guest: Guest) -> None:
        guest.say(greeting)
        encrypted = False
        while True:
            line = guest.hear().decode().rstrip()
            heard.append(line)
            match line.split()[0]:
                case "EHLO" if tls and not encrypted:
                    guest.say(f"250-{hello}", "250 STARTTLS")
                case "EHLO":
                    guest.say(f"250-{hello}", "250 AUTH PLAIN LOGIN")
                case "STARTTLS" if tls:
                    guest.say("220 go on")
                    guest.encrypt(tls)
                    encrypted = True
                case "QUIT":
                    guest.say("221 bye")
                    return
                case _:
                    guest.say("500 what?")

    return serve


def silent(guest: Guest) -> None:
    guest.hear()


def test_a_relay_is_shown_its_tls_and_no_credentials(authority: trustme.CA, roots: str) -> None:
    heard: list[str] = []
    credentials = Credentials("us", "a secret")
    with serving(talking(heard, tls=certificate(authority, "localhost"))) as port:
        found = visited(port, roots=roots, security=Security.VERIFY, credentials=credentials)
    assert heard == ["EHLO client.example.org", "STARTTLS", "EHLO client.example.org", "QUIT"]
    assert (found.trouble, found.heard, found.address) == (None, True, "127.0.0.1")
    assert found.place == f"localhost (127.0.0.1:{port})"
    assert found.mechanisms == {"PLAIN", "LOGIN"}
    assert found.tls is not None
    assert found.tls.verified


def test_credentials_need_tls_even_where_the_route_asks_for_none() -> None:
    with serving(talking([])) as port:
        found = visited(port, credentials=Credentials("us", "a secret"))
        assert (found.cause, found.heard) == ("tls", True)
        assert visited(port).trouble is None


def test_a_certificate_that_cannot_be_trusted_is_trouble(authority: trustme.CA, roots: str) -> None:
    with serving(talking([], tls=certificate(authority, "other.example"))) as port:
        found = visited(port, roots=roots, security=Security.VERIFY)
    assert (found.cause, found.heard) == ("tls", True)
    assert "CERTIFICATE_VERIFY_FAILED" in (found.trouble or "")


@pytest.mark.parametrize(
    "hello",
    [
        f"mx.example.net at your service, [{US}]",
        f"mx.example.net Hello client.example.org [{US}], pleased to meet you",
        f"mx.example.net [127.0.0.1] greets [10.1.2.3], or rather [IPv6:{US}]",
    ],
)
def test_a_server_says_where_we_come_from(hello: str) -> None:
    with serving(talking([], hello=hello)) as port:
        found = visited(port)
    assert (found.seen, found.source) == (US, None)


@pytest.mark.parametrize("hello", ["mx.example.net", "mx [127.0.0.1]", "mx [10.1.2.3]", "mx [::::]", f"mx {US}"])
def test_what_is_no_public_address_in_brackets_is_none_of_ours(hello: str) -> None:
    with serving(talking([], hello=hello)) as port:
        assert visited(port).seen is None


def test_a_server_that_turns_us_away_is_quoted() -> None:
    with serving(talking([], greeting="554 5.7.1 listed")) as port:
        found = visited(port)
    assert (found.cause, found.heard) == ("turned_away", True)
    assert found.trouble == "The server turned us away with its greeting: 554 5.7.1 listed"


def test_a_closed_port_is_told_and_nobody_was_heard() -> None:
    with serving(talking([])) as port:
        pass
    found = visited(port)
    assert (found.cause, found.heard, found.address) == ("connection_refused", False, "127.0.0.1")


def test_what_the_guard_forbids_is_not_dialled() -> None:
    guests: list[Guest] = []
    with serving(guests.append) as port:
        found = visited(port, guard=Guard())
    assert (found.cause, found.address, guests) == ("forbidden_address", None, [])


def test_a_silent_server_is_left_in_time() -> None:
    began = monotonic()
    with serving(silent) as port:
        found = visited(port, seconds=0.3)
    assert monotonic() - began < 3
    assert (found.cause, found.heard) == ("connection_lost", False)
    assert found.trouble == "The server didn't greet: no reply in time"
