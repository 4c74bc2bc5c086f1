"""What a sending domain is asked to publish."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.dns_record import Finding, Sight
from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.publication import Egress, published_by
from postroom.account.return_path import ReturnPath
from postroom.account.spf.record import BadRecord, mechanisms, with_terms

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
EGRESS = Egress(("a:mail.example.net",), ("mail.example.net",))
DOMAIN = SendingDomain("id", "example.org", True, NOON, (DkimKey("one", "", "v=DKIM1; k=rsa; p=x"),))


def written(domain: SendingDomain, egress: Egress = EGRESS, now: datetime = NOON) -> list[str]:
    return [f"{each.purpose} {each.type} {each.name} {each.value}" for each in published_by(domain, egress, now, WEEK)]


def test_keys_spf_of_the_return_path_and_a_policy_are_asked_for() -> None:
    assert written(DOMAIN) == [
        "DKIM TXT one._domainkey.example.org v=DKIM1; k=rsa; p=x",
        "SPF TXT example.org v=spf1 a:mail.example.net ~all",
        "DMARC TXT _dmarc.example.org v=DMARC1; p=none",
    ]
    assert [each.required for each in published_by(DOMAIN, EGRESS, NOON, WEEK)] == [True, False, False]


def test_spf_is_asked_of_the_domain_that_mail_from_has() -> None:
    common = replace(EGRESS, return_path_domain="bounces.example.net")
    assert "SPF TXT bounces.example.net v=spf1 a:mail.example.net ~all" in written(DOMAIN, common)
    own = replace(DOMAIN, return_path=ReturnPath("send.example.org", ((10, "mx.example.net"),)))
    assert written(own, common)[1:3] == [
        "SPF MX send.example.org mx.example.net",
        "SPF TXT send.example.org v=spf1 a:mail.example.net ~all",
    ]


def test_where_nobody_knows_what_letters_leave_by_nothing_is_made_up() -> None:
    assert not any(each.startswith("SPF") for each in written(DOMAIN, Egress()))


def test_a_record_that_is_there_is_added_to_and_one_that_will_do_is_left() -> None:
    spf = published_by(DOMAIN, EGRESS, NOON, WEEK)[1]
    there = "v=spf1 include:_spf.google.com -all"
    lacking = DOMAIN.after({spf.key: Finding(Sight.WRONG, "it lacks ours", there)}, NOON)
    assert "SPF TXT example.org v=spf1 a:mail.example.net include:_spf.google.com -all" in written(lacking)
    enough = DOMAIN.after({spf.key: Finding(Sight.THERE, text=there)}, NOON)
    assert f"SPF TXT example.org {there}" in written(enough)


def test_a_retired_key_stays_published_for_as_long_as_what_it_signed() -> None:
    old = replace(DOMAIN.keys[0], selector="old", retired_at=NOON)
    domain = replace(DOMAIN, keys=(old, *DOMAIN.keys, replace(old, selector="never", signs=False)))
    names = [each.name for each in published_by(domain, EGRESS, NOON, WEEK)]
    assert names[:2] == ["old._domainkey.example.org", "one._domainkey.example.org"]
    (record, *_) = published_by(domain, EGRESS, NOON, WEEK)
    assert record.note == "retired: letters that it signed may be under way, so keep it published until 2026-12-01"
    assert not record.required
    assert not any("old._domainkey" in each for each in written(domain, now=NOON + WEEK))


def test_terms_go_in_front_unless_they_are_there() -> None:
    assert with_terms("v=spf1 -all", ["ip4:192.0.2.1", "a:x.example"]) == "v=spf1 ip4:192.0.2.1 a:x.example -all"
    assert with_terms("v=spf1 +A:X.example  -all", ["a:x.example"]) == "v=spf1 +A:X.example -all"
    assert with_terms("v=spf1 redirect=y.example", ["a:x.example"]) == "v=spf1 a:x.example redirect=y.example"


def test_an_operator_says_who_may_send() -> None:
    assert mechanisms("ip4:192.0.2.0/24 +include:spf.relay.example") == (
        "ip4:192.0.2.0/24",
        "include:spf.relay.example",
    )
    for bad in ("", "all", "-ip4:192.0.2.1", "ip4:x", "redirect=x.example", "nonsense"):
        with pytest.raises(BadRecord):
            mechanisms(bad)
