"""Where mail goes, asked of Unbound in front of zones of ours, one of them signed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.delivery.routing import Exchanger
from postroom.internet.resolver import DnsResolver, Unanswered, literal
from postroom.internet.tlsa import NoTlsa, TlsaFound, TlsaRecord
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx
from tests.servers.unbound import Unbound, Zone

DIGEST = "ab" * 32

PLAIN = f"""
two          MX    20 backup
two          MX    10 MX
null         MX    0 .
odd          MX    0 .
odd          MX    10 mx
implicit     A     192.0.2.1
mx           A     192.0.2.2
mx           A     192.0.2.3
mx           AAAA  2001:db8::2
alias        CNAME two
by-alias     MX    10 mx-alias
mx-alias     CNAME mx
to-signed    CNAME mx.signed.example.
dangling     CNAME nowhere
_25._tcp.mx  TLSA  3 1 1 {DIGEST}
empty        TXT   "v=spf1 " "-all"
empty        TXT   "nothing for mail"
"""

SIGNED = f"""
@                 MX    10 mx
elsewhere         MX    10 mx.plain.example.
plain-alias       CNAME mx.plain.example.
null              MX    0 .
implicit          A     192.0.2.4
mx                A     192.0.2.5
mx                AAAA  2001:db8::5
alias             CNAME mx
_25._tcp.mx       TLSA  3 1 1 {DIGEST}
_25._tcp.mx       TLSA  2 0 2 {DIGEST}{DIGEST}
forged            MX    10 mx
half              A     192.0.2.6
half              AAAA  2001:db8::6
_25._tcp.forged   TLSA  3 1 1 {DIGEST}
"""


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    if absent := Unbound.missing():
        pytest.skip(absent)
    zones = [
        Zone(origin="plain.example", records=PLAIN),
        Zone(
            origin="signed.example",
            records=SIGNED,
            signed=True,
            bogus=(("forged", "MX"), ("half", "AAAA"), ("_25._tcp.forged", "TLSA")),
        ),
        Zone(origin="2.0.192.in-addr.arpa", records="5 PTR mx.signed.example."),
    ]
    folder: Path = tmp_path_factory.mktemp("unbound")
    with Unbound(folder, zones, silent=["silent.example"], refused=["refused.example"]) as running:
        yield running


@pytest.fixture(scope="module")
def resolver(unbound: Unbound) -> DnsResolver:
    return DnsResolver([unbound.place], lifetime=0.5)


@pytest.fixture(scope="module")
def trusting(unbound: Unbound) -> DnsResolver:
    return DnsResolver([unbound.place], trust_ad=True)


def test_mx_records_are_found_with_their_preference(resolver: DnsResolver) -> None:
    found = resolver.exchangers("two.plain.example")
    assert found == MxFound((Exchanger(10, "mx.plain.example"), Exchanger(20, "backup.plain.example")))


def test_a_null_mx_says_no_mail_only_where_it_stands_alone(resolver: DnsResolver) -> None:
    assert resolver.exchangers("null.plain.example") == NullMx()
    assert resolver.exchangers("odd.plain.example") == MxFound((Exchanger(10, "mx.plain.example"),))


def test_a_domain_without_mx_is_its_own_exchanger_if_it_has_an_address(resolver: DnsResolver) -> None:
    assert resolver.exchangers("implicit.plain.example") == MxFound(
        (Exchanger(0, "implicit.plain.example"),), implicit=True
    )
    assert resolver.exchangers("empty.plain.example") == NoDomain(
        "empty.plain.example has neither a mail server nor an address in DNS"
    )


@pytest.mark.parametrize(
    "domain", ["nowhere.plain.example", "nowhere.signed.example", "nowhere.test", f"{'a' * 64}.test"]
)
def test_no_such_domain_is_for_good(resolver: DnsResolver, domain: str) -> None:
    assert resolver.exchangers(domain) == NoDomain(f"There is no domain {domain} in DNS")


@pytest.mark.parametrize(
    ("domain", "what"),
    [
        ("forged.signed.example", "answered SERVFAIL"),
        ("refused.example", "answered REFUSED"),
        ("silent.example", "didn't answer in time"),
    ],
)
def test_a_failure_concludes_nothing_and_names_the_server(
    resolver: DnsResolver, unbound: Unbound, domain: str, what: str
) -> None:
    why = f"DNS didn't say where mail for {domain} goes: {unbound.resolvers} {what}"
    assert resolver.exchangers(domain) == NoAnswer(why)


def test_an_alias_is_followed_from_the_domain_and_from_its_mx(resolver: DnsResolver) -> None:
    assert resolver.exchangers("alias.plain.example") == resolver.exchangers("two.plain.example")
    assert resolver.exchangers("by-alias.plain.example") == MxFound((Exchanger(10, "mx-alias.plain.example"),))
    located = resolver.located("mx-alias.plain.example")
    assert located.name == "mx.plain.example"
    assert len(located.addresses) == 3
    assert isinstance(resolver.exchangers("dangling.plain.example"), NoDomain)


def test_addresses_of_both_families_take_turns(resolver: DnsResolver) -> None:
    first, *others = resolver.addresses("mx.plain.example")
    assert first == "2001:db8::2"
    assert sorted(others) == ["192.0.2.2", "192.0.2.3"]
    with pytest.raises(LookupError, match="no address"):
        resolver.addresses("empty.plain.example")
    with pytest.raises(Unanswered, match="didn't say"):
        resolver.addresses("refused.example")


def test_which_address_of_a_host_comes_first_is_drawn_each_time(unbound: Unbound) -> None:
    orders = [False, True]

    def shuffle(addresses: list[str]) -> None:
        if len(addresses) > 1:
            addresses.sort(reverse=orders.pop())

    resolver = DnsResolver([unbound.place], shuffle=shuffle)
    assert resolver.addresses("mx.plain.example") == ("2001:db8::2", "192.0.2.3", "192.0.2.2")
    assert resolver.addresses("mx.plain.example") == ("2001:db8::2", "192.0.2.2", "192.0.2.3")


def test_one_family_that_fails_leaves_the_other(trusting: DnsResolver) -> None:
    located = trusting.located("half.signed.example")
    assert located.addresses == ("192.0.2.6",)
    assert located.secure


def test_a_host_that_needs_no_dns(resolver: DnsResolver, unbound: Unbound) -> None:
    before = unbound.asked()
    assert resolver.addresses("192.0.2.9") == literal("192.0.2.9") == ("192.0.2.9",)
    assert literal("localhost") == ("127.0.0.1", "::1")
    assert literal("::1") == ("::1",)
    assert literal("example.org") == ()
    assert unbound.asked() == before


def test_texts_come_in_one_piece(resolver: DnsResolver) -> None:
    assert sorted(resolver.texts("empty.plain.example")) == ["nothing for mail", "v=spf1 -all"]
    assert resolver.texts("mx.plain.example") == resolver.texts("nowhere.test") == ()
    with pytest.raises(Unanswered, match=r"what TXT records refused\.example has: .* answered REFUSED"):
        resolver.texts("refused.example")


def test_an_address_points_to_its_name(resolver: DnsResolver) -> None:
    assert resolver.pointer("192.0.2.5") == ("mx.signed.example",)
    assert resolver.pointer("192.0.2.6") == resolver.pointer("2001:db8::1") == ()


def test_dnssec_vouches_for_a_signed_zone_and_for_nothing_beyond_it(trusting: DnsResolver) -> None:
    assert trusting.exchangers("signed.example") == MxFound((Exchanger(10, "mx.signed.example"),), secure=True)
    assert trusting.exchangers("implicit.signed.example") == MxFound(
        (Exchanger(0, "implicit.signed.example"),), secure=True, implicit=True
    )
    assert trusting.located("mx.signed.example").secure
    assert trusting.located("alias.signed.example").name == "mx.signed.example"
    assert not trusting.located("plain-alias.signed.example").secure
    assert not trusting.located("to-signed.plain.example").secure
    assert trusting.exchangers("two.plain.example") == MxFound(
        (Exchanger(10, "mx.plain.example"), Exchanger(20, "backup.plain.example")), secure=False
    )


def test_tlsa_records_count_where_dnssec_vouches_for_them(trusting: DnsResolver) -> None:
    found = trusting.tlsa("mx.signed.example", 25)
    assert isinstance(found, TlsaFound)
    digest = bytes.fromhex(DIGEST)
    assert set(found.records) == {TlsaRecord(3, 1, 1, digest), TlsaRecord(2, 0, 2, digest * 2)}
    assert trusting.tlsa("mx.signed.example", 465) == NoTlsa()
    assert trusting.tlsa("mx.plain.example", 25) == NoTlsa()


def test_a_forged_tlsa_record_is_no_answer(trusting: DnsResolver, unbound: Unbound) -> None:
    why = (
        f"DNS didn't say whether forged.signed.example publishes its certificate: {unbound.resolvers} answered SERVFAIL"
    )
    assert trusting.tlsa("forged.signed.example", 25) == NoAnswer(why)


def test_without_trust_nothing_is_secure_and_tlsa_is_not_asked_for(resolver: DnsResolver, unbound: Unbound) -> None:
    found = resolver.exchangers("signed.example")
    assert isinstance(found, MxFound)
    assert not found.secure
    before = unbound.asked()
    assert resolver.tlsa("mx.signed.example", 25) == NoTlsa()
    assert unbound.asked() == before
