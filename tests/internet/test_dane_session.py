"""DANE on the wire: what a host publishes under DNSSEC decides whether it gets the letter."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postroom.delivery.routing import Host, Target
from postroom.internet.guard import Guard
from postroom.internet.loop import Background
from postroom.internet.reach import Reach
from postroom.internet.resolver import DnsResolver
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate
from tests.internet.carrying import QUICK, lines, mail
from tests.internet.peer import Guest, polite, serving
from tests.internet.test_wire import secure
from tests.servers.unbound import Unbound, Zone


class Town:
    """A server with a certificate that no public root has heard of, one without TLS, and what DNS says of both."""

    def __init__(self, resolver: DnsResolver, encrypted: int, plain: int, log: list[bytes]) -> None:
        self.ports = {True: encrypted, False: plain}
        self.said_in_clear = log
        guard = Guard([ip_network("127.0.0.0/8")])
        reach = Reach(helo="client.example.org", timeouts=QUICK, resolver=resolver, guard=guard)
        self.wire = SmtpWire(reach, Background())

    def carry(
        self, host: str, *, tls: bool = True, security: Security = Security.OPPORTUNISTIC, vouched: bool = True
    ) -> Carried:
        carried: list[Carried] = []
        target = Target(
            route="mx",
            hosts=(Host(f"{host}.dane.example", self.ports[tls]),),
            security=security,
            vouched_for="dane.example" if vouched else None,
        )
        deadline = time.monotonic() + 10
        self.wire.converse(target, iter([mail()]), deadline, lambda _: True, lambda _, each: carried.append(each))
        (one,) = carried
        return one


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    if why := Unbound.missing():
        pytest.skip(why)
    issued = trustme.CA().issue_cert("mx.dane.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    key = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).public_key()
    own = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    log: list[bytes] = []

    def in_clear(guest: Guest) -> None:
        guest.said = log
        polite(guest, "PIPELINING", "CHUNKING")

    with serving(secure(context)) as encrypted, serving(in_clear) as plain:  # type: ignore[arg-type]  # it serves
        records = [
            *(f"{host} A 127.0.0.1" for host in ("own", "wrong", "useless", "bogus", "none")),
            *(f"_{port}._tcp.own TLSA 3 1 1 {own}" for port in (encrypted, plain)),
            f"_{encrypted}._tcp.wrong TLSA 3 1 1 {'00' * 32}",
            *(f"_{port}._tcp.useless TLSA 1 1 1 {'00' * 32}" for port in (encrypted, plain)),
            f"_{encrypted}._tcp.bogus TLSA 3 1 1 {own}",
        ]
        bogus = ((f"_{encrypted}._tcp.bogus", "TLSA"),)
        zone = Zone(origin="dane.example", records="\n".join(records), signed=True, bogus=bogus)
        with Unbound(tmp_path_factory.mktemp("unbound"), [zone]) as unbound:
            yield Town(DnsResolver([unbound.place], trust_ad=True), encrypted, plain, log)


@pytest.mark.parametrize("security", list(Security))
def test_a_certificate_that_its_host_publishes_is_trusted_though_no_root_knows_it(
    town: Town, security: Security
) -> None:
    carried = town.carry("own", security=security)
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    assert carried.tls is not None
    assert carried.tls.verified


def test_another_certificate_gets_no_letter_and_nobody_goes_on_in_clear_text(town: Town) -> None:
    carried = town.carry("wrong")
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "tls")
    assert "none of those that its domain publishes" in str(verdict.note)
    assert not any("MAIL" in line for line in lines(carried))


@pytest.mark.parametrize("host", ["own", "useless"])
def test_a_host_that_publishes_anything_has_tls_or_gets_no_letter(town: Town, host: str) -> None:
    """RFC 7672 §2.2: also where what it publishes means nothing to us."""
    (verdict,) = town.carry(host, tls=False).verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "tls")
    assert not any(line.startswith(b"MAIL") for line in town.said_in_clear)


def test_what_means_nothing_asks_for_no_more_than_tls(town: Town) -> None:
    carried = town.carry("useless")
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    assert carried.tls is not None
    assert not carried.tls.verified


def test_where_dns_is_forged_the_letter_waits(town: Town) -> None:
    carried = town.carry("bogus")
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "dns")
    assert carried.transcript == ()


def test_a_host_that_publishes_nothing_is_as_before(town: Town) -> None:
    assert town.carry("none", tls=False).verdicts[0].fate is Fate.ACCEPTED
    assert any(line.startswith(b"MAIL") for line in town.said_in_clear)
    town.said_in_clear.clear()


def test_hosts_that_dnssec_does_not_vouch_for_are_as_before(town: Town) -> None:
    """The MX records themselves could have been forged: then nothing is known of anybody (RFC 7672 §2.2.1)."""
    assert town.carry("wrong", vouched=False).verdicts[0].fate is Fate.ACCEPTED
