"""What a look finds: each check by itself, DNS and visits being what the test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Any

import pytest

from postroom.account.domain import DkimKey, SendingDomain
from postroom.delivery.attempt import TlsFacts
from postroom.delivery.routing import Approach, Exchanger, Proxy, Relay, Route, Routes, Target
from postroom.delivery.sts import Mode, Policy
from postroom.message.dkim import SigningKey, new_key, record
from postroom.ports import MxFound, NoAnswer, NullMx, Visit
from postroom.preflight import MOST_DOMAINS, Preflight
from postroom.preflight.check import Check, Status
from postroom.smtp.security import Credentials, Mechanism, Security
from tests.api.fakes import Drawer
from tests.doubles.book import Book

US = "192.0.2.10"
TURNED = "10.2.0.192"
KEY = record(SigningKey.load("shop.example", "s", new_key("ed25519")))[1]
SILENCE = NoAnswer("DNS said nothing")

GOOD: Mapping[tuple[str, str], Any] = {
    ("gmail.com", "MX"): MxFound((Exchanger(10, "mx.gmail.com"),)),
    (US, "PTR"): ("mail.shop.example",),
    ("mail.shop.example", "A"): (US,),
    ("shop.example", "TXT"): ("v=spf1 a:mail.shop.example -all",),
    ("s._domainkey.shop.example", "TXT"): (KEY,),
    ("_dmarc.shop.example", "TXT"): ("v=DMARC1; p=reject",),
    ("2.0.0.127.list.example", "A"): ("127.0.0.2",),
    ("friend.example", "MX"): MxFound((Exchanger(10, "mx.friend.example"),), secure=True),
    ("friend.example", "STS"): Policy(Mode.ENFORCE, ("*.friend.example",), 86400),
    ("mx.friend.example", "TLSA"): 2,
}


@dataclass
class Road:
    """Visits that all come to the same, or to what is told of a host."""

    visit_: Visit
    at: dict[str, Visit] = field(default_factory=dict)
    made: list[Target] = field(default_factory=list)
    gone: Event | None = None  # until it is set, nobody comes back

    def visit(self, target: Target, seconds: float) -> Visit:
        self.made.append(target)
        if self.gone is not None:
            self.gone.wait(seconds)
        return self.at.get(target.hosts[0].name, self.visit_)


TLS = TlsFacts(version="TLSv1.3", cipher="x", verified=True, policy="verify")
WELCOME = Visit(place="mx (198.51.100.1:25)", address="198.51.100.1", heard=True, source=US, tls=TLS)
NOT_TAKEN = Visit(place="mx (198.51.100.1:25)", trouble="mx didn't answer in time", cause="connection_timeout")


def looked(
    domain: str | None = None,
    *,
    records: Mapping[tuple[str, str], Any] | None = None,
    road: Road | None = None,
    domains: Sequence[SendingDomain] | None = None,
    **others: Any,
) -> list[Check]:
    drawer = Drawer()
    ours = SendingDomain("1", "shop.example", True, datetime.now(UTC), (DkimKey("s", "sealed", KEY),))
    for each in (ours,) if domains is None else domains:
        drawer.put("domain", each.name, each.record())
    given: dict[str, Any] = {"helo": "mail.shop.example", "blocklists": ("list.example",), "dnssec": True, **others}
    look = Preflight(
        directory=drawer,
        setting_out=lambda: (Book({**GOOD, **(records or {})}), road or Road(WELCOME)),
        monotonic=monotonic,
        well_known=("gmail.com",),
        **given,
    )
    return list(look(domain))


def only(check: str, found: Sequence[Check]) -> tuple[str, str]:
    """Status and detail of the one check of that name."""
    (one,) = [each for each in found if each.check == check]
    return str(one.status), one.detail


def test_where_all_is_well_every_check_passes() -> None:
    found = looked("friend.example")
    assert [each for each in found if each.status is not Status.PASS] == []
    names = ["port_25", "address", "route", "destination", "ptr", "helo", "blocklist", "spf", "dkim", "dmarc"]
    assert [each.check for each in found] == [*names, "mx", "mta_sts", "dane"]
    assert only("destination", found)[1] == "friend.example: mx (198.51.100.1:25) is ready for a letter, " + (
        "under TLSv1.3 (verified)"
    )


# Leaving.


def test_a_closed_port_is_told_from_a_server_that_turns_us_away() -> None:
    status, detail = only("port_25", looked(road=Road(NOT_TAKEN)))
    assert (status, "relay on port 587" in detail) == ("fail", True)
    turned = Visit(place="mx", trouble="The server turned us away", cause="turned_away", heard=True)
    assert only("port_25", looked(road=Road(turned)))[0] == "pass"


def test_what_the_guard_forbids_tells_nothing_of_the_port() -> None:
    forbidden = Visit(place="mx", trouble="mx: 10.0.0.1 is not a public address", cause="forbidden_address")
    status, detail = only("port_25", looked(road=Road(forbidden)))
    assert (status, "10.0.0.1 is not a public address" in detail) == ("warn", True)


def test_one_destination_that_is_down_is_told_from_a_closed_port() -> None:
    found = looked("friend.example", road=Road(WELCOME, at={"mx.friend.example": NOT_TAKEN}))
    assert only("port_25", found)[0] == "pass"
    assert only("destination", found) == ("fail", "friend.example: mx (198.51.100.1:25): mx didn't answer in time")


def test_a_proxy_is_named_where_it_is_in_the_way() -> None:
    routes = Routes((Route(name="far", approach=Approach(proxy=Proxy("proxy.example", 1080))),))
    trouble = Visit(place="mx", trouble="the proxy proxy.example: no answer in time", cause="proxy")
    status, detail = only("port_25", looked(routes=routes, road=Road(trouble)))
    assert (status, detail) == ("fail", f"{trouble.trouble}: nothing can be dialled by the route far")


RELAY = Relay("relay.example", 587, credentials=Credentials("us", "hunter2hunter2"))


def relayed(relay: Relay = RELAY) -> Routes:
    return Routes((Route(name="out", relay=relay),))


def test_where_every_route_leads_to_a_relay_no_port_25_is_needed() -> None:
    road = Road(
        WELCOME, at={"relay.example": Visit(place="relay", heard=True, tls=TLS, mechanisms=frozenset({"LOGIN"}))}
    )
    found = looked("friend.example", routes=relayed(), road=road)
    assert only("port_25", found) == ("pass", "not needed: every route leads to a relay (relay.example:587)")
    assert only("relay", found)[0] == "pass"
    assert "offers AUTH LOGIN; it was shown nothing" in only("relay", found)[1]
    assert only("route", found) == (
        "pass",
        "mail for friend.example takes the route out, to the relay relay.example:587",
    )
    assert [target.hosts[0].name for target in road.made] == ["relay.example"]
    assert not {"ptr", "helo", "blocklist", "destination"} & {each.check for each in found}


def test_a_relay_that_offers_no_way_to_log_in_fails() -> None:
    road = Road(Visit(place="relay", heard=True, tls=TLS, mechanisms=frozenset({"CRAM-MD5"})))
    status, detail = only("relay", looked(routes=relayed(), road=road))
    assert (status, "doesn't offer AUTH PLAIN or LOGIN (offered: CRAM-MD5)" in detail) == ("fail", True)
    token = Relay("relay.example", 587, credentials=Credentials("us", "hunter2hunter2", Mechanism.XOAUTH2))
    assert "doesn't offer AUTH XOAUTH2" in only("relay", looked(routes=relayed(token), road=road))[1]


def test_a_relays_address_in_the_spf_record_is_a_good_sign() -> None:
    road = Road(Visit(place="relay", address=US, heard=True, tls=TLS, mechanisms=frozenset({"PLAIN"})))
    assert only("spf", looked(routes=relayed(), road=road))[0] == "pass"
    road = Road(Visit(place="relay", address="198.51.100.9", heard=True, tls=TLS, mechanisms=frozenset({"PLAIN"})))
    status, detail = only("spf", looked(routes=relayed(), road=road))
    assert (status, "ask what to include" in detail) == ("warn", True)


def test_no_password_is_in_any_detail() -> None:
    for trouble in (None, "refused"):
        road = Road(Visit(place="relay", trouble=trouble, heard=True, tls=TLS))
        assert not [each for each in looked(routes=relayed(), road=road) if "hunter2" in each.detail]


def test_a_domain_without_a_route_fails() -> None:
    routes = Routes((Route(name="mx", match="*.org"),))
    assert only("route", looked("friend.example", routes=routes))[0] == "fail"


def test_the_destination_is_visited_as_its_policies_would_have_a_letter_go() -> None:
    road = Road(WELCOME)
    looked("friend.example", road=road)
    (target,) = [each for each in road.made if each.hosts[0].name == "mx.friend.example"]
    assert (target.security, target.vouched_for) == (Security.VERIFY, "friend.example")
    looked("friend.example", road=road, records={("friend.example", "STS"): None})
    assert [each.security for each in road.made if each.vouched_for][1:] == [Security.OPPORTUNISTIC]


# Who others take us for.


def test_behind_a_translator_the_servers_word_counts() -> None:
    seen = Visit(place="mx (198.51.100.1:25)", heard=True, seen=US)
    found = looked(road=Road(seen))
    assert only("address", found) == ("pass", f"our letters come from {US}, as mx (198.51.100.1:25) says")
    assert only("ptr", found)[0] == "pass"


def test_where_the_address_cannot_be_told_nothing_is_said_of_it() -> None:
    found = looked(road=Road(Visit(place="mx", heard=True)))
    status, detail = only("address", found)
    assert (status, "PTR, SPF and blocklists weren't looked at" in detail) == ("warn", True)
    assert not {"ptr", "helo", "blocklist", "spf"} & {each.check for each in found}


@pytest.mark.parametrize(
    ("records", "status", "words"),
    [
        ({(US, "PTR"): ()}, "fail", "has no PTR record"),
        ({(US, "PTR"): SILENCE}, "warn", "look again later"),
        ({("mail.shop.example", "A"): ("192.0.2.99",)}, "fail", "doesn't lead back"),
        ({("mail.shop.example", "A"): SILENCE}, "warn", "look again later"),
        ({(US, "PTR"): ("other.example",), ("other.example", "A"): (US,)}, "pass", "named other.example"),
    ],
)
def test_the_name_of_our_address(records: dict[tuple[str, str], Any], status: str, words: str) -> None:
    found = only("ptr", looked(records=records))
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("helo", "records", "status", "words"),
    [
        ("laptop", {}, "fail", "no full host name"),
        ("10.0.0.1", {}, "fail", "no full host name"),
        ("[192.0.2.10]", {}, "warn", "many servers want a name"),
        ("MAIL.shop.example", {}, "pass", "as the PTR"),
        ("nowhere.example", {}, "fail", "without the address"),
        ("other.example", {("other.example", "A"): (US,)}, "warn", "has that address, and the PTR of 192.0.2.10 says"),
        ("other.example", {("other.example", "A"): ("192.0.2.9",)}, "warn", "has the address 192.0.2.9"),
        ("other.example", {("other.example", "A"): SILENCE}, "warn", "look again later"),
    ],
)
def test_the_name_that_we_say(helo: str, records: dict[tuple[str, str], Any], status: str, words: str) -> None:
    found = only("helo", looked(helo=helo, records=records))
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("records", "status", "words"),
    [
        ({(f"{TURNED}.list.example", "A"): ("127.0.0.4",)}, "fail", "list.example lists 192.0.2.10 (127.0.0.4)"),
        ({("2.0.0.127.list.example", "A"): ("127.255.255.254",)}, "warn", "it refuses to answer our resolver"),
        ({(f"{TURNED}.list.example", "A"): ("127.255.255.255",)}, "warn", "it refuses to answer our resolver"),
        ({("2.0.0.127.list.example", "A"): ()}, "warn", "doesn't list its own test address"),
        ({("2.0.0.127.list.example", "A"): SILENCE}, "warn", "DNS said nothing"),
        ({("2.0.0.127.list.example", "A"): ("203.0.113.7",)}, "warn", "a resolver makes answers up"),
    ],
)
def test_whether_a_list_holds_our_address(records: dict[tuple[str, str], Any], status: str, words: str) -> None:
    found = only("blocklist", looked(records=records))
    assert (found[0], words in found[1]) == (status, True), found


def test_a_list_says_why() -> None:
    name = f"{TURNED}.list.example"
    found = only("blocklist", looked(records={(name, "A"): ("127.0.0.2",), (name, "TXT"): ("see \x1b[31mhere",)}))
    assert found[1].endswith("(127.0.0.2): see \\x1b[31mhere")


def test_two_addresses_are_both_looked_at() -> None:
    six = Visit(place="mx6", heard=True, source="2001:db8::10")
    records = {("yahoo.com", "MX"): MxFound((Exchanger(0, "mx.yahoo.com"),))}
    found = looked("yahoo.com", records=records, road=Road(WELCOME, at={"mx.yahoo.com": six}))
    assert [each.detail.split()[0] for each in found if each.check == "ptr"] == [US, "2001:db8::10"]


# What our domains publish.


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("v=spf1 -all", "fail", "fail, '-all' in the SPF record of shop.example, which forbids 192.0.2.10"),
        ("v=spf1 ~all", "warn", "softfail"),
        ("v=spf1 ?all", "warn", "neutral"),
        ("v=spf1 hello", "fail", "permerror"),
        ("nothing", "warn", "none, shop.example publishes no SPF record"),
        ("v=spf1 mx -all", "fail", "fail"),
    ],
)
def test_the_spf_record_is_read_for_our_address(text: str, status: str, words: str) -> None:
    found = only("spf", looked(records={("shop.example", "TXT"): (text,)}))
    assert (found[0], words in found[1]) == (status, True), found


def test_an_implicit_mx_is_none_for_spf() -> None:
    implicit = MxFound((Exchanger(0, "mail.shop.example"),), implicit=True)
    records = {("shop.example", "TXT"): ("v=spf1 mx ~all",), ("shop.example", "MX"): implicit}
    assert only("spf", looked(records=records))[0] == "warn"
    records["shop.example", "MX"] = MxFound((Exchanger(10, "mail.shop.example"),))
    assert only("spf", looked(records=records))[0] == "pass"


def test_spf_is_of_the_return_path() -> None:
    found = looked(return_path_domain="bounces.shop.example")
    assert only("spf", found)[1].startswith("bounces.shop.example for 192.0.2.10: none")
    assert only("dmarc", found)[0] == "pass"


@pytest.mark.parametrize(
    ("texts", "status", "words"),
    [
        ((), "fail", "nothing is published there"),
        (("v=DKIM1; p=",), "fail", "revoked"),
        ((f"{KEY}; t=y",), "warn", "it is a test"),
        (SILENCE, "warn", "look again later"),
    ],
)
def test_the_dkim_record_is_compared_with_our_key(texts: object, status: str, words: str) -> None:
    found = only("dkim", looked(records={("s._domainkey.shop.example", "TXT"): texts}))
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("texts", "status", "words"),
    [
        ((), "warn", "publishes no DMARC policy"),
        (("v=DMARC1; p=maybe",), "fail", "is wrong"),
        (SILENCE, "warn", "look again later"),
        (("v=DMARC1; p=none",), "pass", "wants none for shop.example; d=shop.example is aligned"),
    ],
)
def test_the_dmarc_record_is_read(texts: object, status: str, words: str) -> None:
    found = only("dmarc", looked(records={("_dmarc.shop.example", "TXT"): texts}))
    assert (found[0], words in found[1]) == (status, True), found


def test_a_letter_that_nothing_speaks_for_fails_dmarc() -> None:
    unsigned = SendingDomain("1", "shop.example", True, datetime.now(UTC))
    found = looked(domains=[unsigned], return_path_domain="elsewhere.example")
    assert only("dkim", found)[0] == "warn"
    status, detail = only("dmarc", found)
    assert (status, "nothing speaks for these letters" in detail) == ("fail", True)
    assert only("dmarc", looked(domains=[unsigned]))[0] == "pass"


def test_a_subdomain_takes_its_parents_policy() -> None:
    news = SendingDomain("2", "news.shop.example", True, datetime.now(UTC), (DkimKey("s", "", KEY),))
    records = {("_dmarc.shop.example", "TXT"): ("v=DMARC1; p=reject; sp=none",)}
    assert only("dmarc", looked(domains=[news], records=records))[1].startswith("_dmarc.shop.example wants none for")


def test_few_and_many_domains_are_said_to_be_so() -> None:
    assert only("dkim", looked(domains=[]))[1].startswith("there is no sending domain yet")
    many = [SendingDomain(str(n), f"d{n:02}.example", True, datetime.now(UTC)) for n in range(MOST_DOMAINS + 1)]
    found = looked(domains=many)
    assert [each.detail for each in found][-1] == f"only the first {MOST_DOMAINS} sending domains were looked at"
    assert sum(each.check == "dmarc" for each in found) == MOST_DOMAINS


# What a recipient's domain publishes.


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (NullMx(), "fail", "null MX"),
        (None, "fail", "There is no domain"),
        (SILENCE, "warn", "Mail would wait"),
        (MxFound((Exchanger(0, "friend.example"),), implicit=True), "pass", "has no MX"),
        (MxFound((Exchanger(20, "b.example"), Exchanger(5, "a.example"))), "pass", "a.example (5), b.example (20)"),
    ],
)
def test_where_a_domains_mail_goes(answer: object, status: str, words: str) -> None:
    found = only("mx", looked("friend.example", records={("friend.example", "MX"): answer}))
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("policy", "status", "words"),
    [
        (None, "pass", "announces no MTA-STS policy"),
        (NoAnswer("it can't be had"), "warn", "it can't be had"),
        (Policy(Mode.ENFORCE, ("mx.other.example",), 1), "fail", "doesn't name mx.friend.example: mail waits"),
        (Policy(Mode.TESTING, ("mx.other.example",), 1), "warn", "doesn't name mx.friend.example"),
        (Policy(Mode.NONE, (), 1), "pass", "mode none"),
    ],
)
def test_what_policy_a_domain_has(policy: object, status: str, words: str) -> None:
    found = only("mta_sts", looked("friend.example", records={("friend.example", "STS"): policy}))
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("records", "status", "words"),
    [
        ({("mx.friend.example", "TLSA"): 0}, "pass", "publish no TLSA"),
        ({("mx.friend.example", "TLSA"): SILENCE}, "warn", "waits until DNS answers"),
        ({("friend.example", "MX"): MxFound((Exchanger(1, "mx.friend.example"),))}, "pass", "DNSSEC doesn't vouch"),
        ({("friend.example", "MX"): NullMx()}, "pass", "no mail server"),
        ({}, "pass", "has DANE for mx.friend.example (2 TLSA)"),
    ],
)
def test_whether_a_domain_has_dane(records: dict[tuple[str, str], Any], status: str, words: str) -> None:
    found = only("dane", looked("friend.example", records=records))
    assert (found[0], words in found[1]) == (status, True), found


def test_dane_cannot_be_told_without_resolvers_to_trust() -> None:
    assert only("dane", looked("friend.example", dnssec=False))[0] == "warn"


# Time.


def test_a_look_ends_in_time_and_says_what_it_did_not_see() -> None:
    road = Road(WELCOME, gone=Event())
    began = monotonic()
    found = looked("friend.example", road=road, seconds=0.3)
    assert monotonic() - began < 2
    assert road.gone is not None
    road.gone.set()
    assert only("port_25", found)[0] == "warn"
    assert only("destination", found) == ("warn", "friend.example: no answer in time; look again")
