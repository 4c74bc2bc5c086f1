"""Where mail goes, asked of a real DNS server on the loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from postroom.delivery.routing import Exchanger
from postroom.internet.resolver import DnsResolver, literal
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx

ZONE = {
    ("two.example.", "MX"): ["20 backup.example.", "10 mx.example."],
    ("null.example.", "MX"): ["0 ."],
    ("odd.example.", "MX"): ["0 .", "10 mx.example."],
    ("implicit.example.", "A"): ["192.0.2.1"],
    ("mx.example.", "A"): ["192.0.2.2", "192.0.2.3"],
    ("mx.example.", "AAAA"): ["2001:db8::2"],
    ("empty.example.", "TXT"): ['"nothing for mail"'],
}
FAILING = {"broken.example.", "half.example."}


@pytest.fixture(scope="module")
def resolver() -> Iterator[DnsResolver]:
    """A server that answers from ZONE, with SERVFAIL for FAILING and NXDOMAIN for names it doesn't know."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            octets, client = server.recvfrom(4096)
            if octets == b"stop":
                return
            server.sendto(answer(dns.message.from_wire(octets)).to_wire(), client)

    thread = Thread(target=serve)
    thread.start()
    yield DnsResolver([server.getsockname()])
    server.sendto(b"stop", server.getsockname())
    thread.join()
    server.close()


def answer(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    (question,) = query.question
    name, kind = question.name.to_text(), question.rdtype.name
    if name in FAILING and not (name == "half.example." and kind == "MX"):
        response.set_rcode(dns.rcode.SERVFAIL)
    elif (name, kind) in ZONE:
        response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind]))
    elif name not in {known for known, _ in ZONE} | FAILING:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def test_mx_records_are_found_with_their_preference(resolver: DnsResolver) -> None:
    found = resolver.exchangers("two.example")
    assert isinstance(found, MxFound)
    assert set(found.exchangers) == {Exchanger(10, "mx.example"), Exchanger(20, "backup.example")}


def test_a_null_mx_says_no_mail_only_where_it_stands_alone(resolver: DnsResolver) -> None:
    assert resolver.exchangers("null.example") == NullMx()
    assert resolver.exchangers("odd.example") == MxFound((Exchanger(10, "mx.example"),))


def test_a_domain_without_mx_is_its_own_exchanger_if_it_has_an_address(resolver: DnsResolver) -> None:
    assert resolver.exchangers("implicit.example") == MxFound((Exchanger(0, "implicit.example"),))
    assert isinstance(resolver.exchangers("empty.example"), NoDomain)


def test_no_such_domain_is_for_good_and_a_failure_is_not(resolver: DnsResolver) -> None:
    assert isinstance(resolver.exchangers("nowhere.example"), NoDomain)
    assert isinstance(resolver.exchangers("broken.example"), NoAnswer)
    assert isinstance(resolver.exchangers("half.example"), NoAnswer)


def test_addresses_of_both_families_take_turns(resolver: DnsResolver) -> None:
    first, *others = resolver.addresses("mx.example")
    assert first == "2001:db8::2"
    assert sorted(others) == ["192.0.2.2", "192.0.2.3"]
    assert resolver.addresses("192.0.2.9") == ("192.0.2.9",)
    with pytest.raises(LookupError, match="no address"):
        resolver.addresses("empty.example")
    with pytest.raises(LookupError, match="didn't say"):
        resolver.addresses("broken.example")


def test_a_host_that_needs_no_dns() -> None:
    assert literal("localhost") == ("127.0.0.1", "::1")
    assert literal("::1") == ("::1",)
    assert literal("example.org") == ()
