"""A house asks DNS and policy hosts what domains want of it, and its letters go under that policy or not at all."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from tests.doubles.nameserver import NameServer
from tests.internet.peer import Guest, serving
from tests.internet.web import certificate, page
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually

# The mail server has a certificate for mx.example.net and answers to alias.example.net too.
DOMAINS = {
    "enforced.example": ("enforce", "*.example.net", "mx.example.net"),
    "untrusted.example": ("enforce", "*.example.net", "alias.example.net"),
    "misled.example": ("enforce", "mx.example.org", "mx.example.net"),
    "testing.example": ("testing", "mx.example.org", "alias.example.net"),
}


def policies(guest: Guest, context: ssl.SSLContext) -> None:
    """The policy host of all of them."""
    guest.encrypt(context)
    request = guest.hear(b"\r\n\r\n").decode()
    mode, mx, _ = next(each for domain, each in DOMAINS.items() if f"\r\nHost: mta-sts.{domain}:" in request)
    assert request.startswith("GET /.well-known/mta-sts.txt ")
    guest.sock.sendall(page(f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n".encode()))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[Destination]:
    server = Destination(certificate(authority, "mx.example.net"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def house(server: Destination, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("house")
    authority.cert_pem.write_to_path(str(folder / "roots.pem"))
    hosts = [f"mta-sts.{domain}" for domain in DOMAINS]
    context = certificate(authority, *hosts)
    records = {(f"{host}.", "A"): ["127.0.0.1"] for host in (*hosts, "mx.example.net", "alias.example.net")}
    for domain, (_, _, mx) in DOMAINS.items():
        records[f"{domain}.", "MX"] = [f"10 {mx}."]
        records[f"_mta-sts.{domain}.", "TXT"] = ['"v=STSv1; id=1;"']
    with NameServer.of(records) as names, serving(lambda guest: policies(guest, context)) as port:
        house = Office(
            folder / "data",
            server.port,
            POSTROOM_ROUTES='[[route]]\nvia = "mx"',
            POSTROOM_RESOLVERS="{}:{}".format(*names.place),
            POSTROOM_SMTP_PORT=str(server.port),
            POSTROOM_STS_PORT=str(port),
            POSTROOM_CA_FILE=str(folder / "roots.pem"),
        )
        house.start()
        yield house
        assert house.stop() == 0


def test_an_enforced_policy_has_the_letter_go_under_verified_tls(house: Office, server: Destination) -> None:
    id_ = house.send("bob@enforced.example")
    house.wait_for(id_, "delivered")
    (attempt,) = house.attempts(id_)
    assert (attempt["tls"]["verified"], attempt["tls"]["policy"]) == (True, "verify")
    assert attempt["note"] == "enforced.example enforces an MTA-STS policy"
    assert [letter.tls for letter in server.letters_to("bob@enforced.example")] == [True]


@pytest.mark.parametrize(("domain", "cause"), [("untrusted.example", "tls"), ("misled.example", "sts")])
def test_a_letter_waits_where_no_server_is_what_the_policy_says(
    house: Office, server: Destination, domain: str, cause: str
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()  # it mustn't be tried beside the tests that follow
    id_ = house.send(f"bob@{domain}", delivery={"expires_at": soon})
    eventually(lambda: len(house.attempts(id_)) >= 2)
    assert house.email(id_)["recipients"][0]["cause"] == cause
    for attempt in house.attempts(id_):
        assert attempt["outcome"] == "deferred"
        assert f"{domain} enforces an MTA-STS policy" in attempt["note"]
        assert not any(line["line"].startswith("MAIL") for line in attempt["transcript"])
    assert not server.letters_to(f"bob@{domain}")


def test_a_policy_in_testing_is_noted_and_the_letter_goes(house: Office, server: Destination) -> None:
    id_ = house.send("bob@testing.example")
    house.wait_for(id_, "delivered")
    (attempt,) = house.attempts(id_)
    assert attempt["tls"]["verified"] is False
    assert attempt["note"] == "testing.example tests an MTA-STS policy, which doesn't name alias.example.net"
    assert len(server.letters_to("bob@testing.example")) == 1
