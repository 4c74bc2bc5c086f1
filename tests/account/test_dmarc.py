"""DMARC's record, where it is looked for, and what is aligned (RFC 7489)."""

from __future__ import annotations

import pytest

from postroom.account.dmarc import BadPolicy, Dmarc, aligned, places


def test_a_record_says_what_is_wanted() -> None:
    text = "v=DMARC1; p=Reject; sp=none; adkim=s; pct=50; rua=mailto:d@example.org"
    expected = Dmarc("reject", "none", strict_dkim=True)
    assert Dmarc.parse(["unrelated", text]) == expected


def test_what_is_left_out_has_its_default() -> None:
    assert Dmarc.parse(["v=DMARC1;p=quarantine"]) == Dmarc("quarantine", "quarantine")
    assert Dmarc.parse(["v=DMARC1; p=none; sp=maybe; pct=lots"]) == Dmarc("none", "none")


def test_no_record_is_no_policy() -> None:
    assert Dmarc.parse(["v=spf1 -all", "v=DMARC2; p=none", "v=DMARC10; p=none"]) is None


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["v=DMARC1"], "p= is not none"),
        (["v=DMARC1; p=refuse"], "p= is not none"),
        (["v=DMARC1 p=none"], "version is not DMARC1"),
        (["v=DMARC1; p"], "'p' is not a tag"),
        (["v=DMARC1; p=none", "v=DMARC1; p=none"], "there are 2 DMARC records"),
    ],
)
def test_a_broken_record_is_named(texts: list[str], why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        Dmarc.parse(texts)


def test_the_policy_is_looked_for_at_the_domain_and_above_it() -> None:
    assert places("a.news.example.org") == ("a.news.example.org", "news.example.org", "example.org")
    assert places("example.org") == ("example.org",)
    assert len(places("a.b.c.d.e.f.g.example.org")) == 5


@pytest.mark.parametrize(
    ("sender", "other", "publisher", "relaxed", "strict"),
    [
        ("example.org", "example.org", "example.org", True, True),
        ("example.org", "bounces.example.org", "example.org", True, False),
        ("news.example.org", "bounces.example.org", "example.org", True, False),
        ("news.example.org", "example.org", "news.example.org", True, False),
        ("news.example.org", "bounces.example.org", "news.example.org", False, False),
        ("example.org", "example.net", "example.org", False, False),
        ("example.org", "notexample.org", "example.org", False, False),
    ],
)
def test_what_speaks_for_a_sender(sender: str, other: str, publisher: str, relaxed: bool, strict: bool) -> None:
    assert aligned(sender, other, publisher, strict=False) is relaxed
    assert aligned(sender, other, publisher, strict=True) is strict
