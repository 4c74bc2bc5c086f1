"""What an MTA-STS policy says, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postroom.delivery.sts import LARGEST, BadPolicy, Mode, Policy, policy_id

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


# The TXT record.


@pytest.mark.parametrize(
    ("texts", "announced"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=a"], "a"),
        (["v=STSv1 ;\t id=a ; "], "a"),
        (["v=STSv1; x-y.z_1=!$%<>~; id=a; id=b"], "a"),
        (["v=spf1 -all", "v=STSv1; id=a", "v=STSv2; id=b", "v=STSv1"], "a"),
        ([], None),
        (["v=STSv1; id=a", "v=STSv1; id=b"], None),
        (["v=STSv1; id=a", "v=STSv1; id=a"], None),
        (["v=STSv1; id=a", "v=STSv1; nothing"], None),
        (["v=STSv1"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; x=y"], None),
        (["v=STSv1; id="], None),
        (["v=STSv1; id=a b"], None),
        (["v=STSv1; id=a-b"], None),
        (["v=STSv1; id=a-b; id=c"], None),
        (["v=STSv1; id=a;;"], None),
        (["v=STSv1; id=a\n"], None),
        (["v=STSv1; id=é"], None),
        (["v=STSv1; id=" + "a" * 33], None),
        (["v=STSv1; xid=a"], None),
        (["V=STSV1; id=a"], None),
        ([" v=STSv1; id=a"], None),
    ],
)
def test_exactly_one_record_announces_a_policy(texts: list[str], announced: str | None) -> None:
    assert policy_id(texts) == announced


@given(st.lists(st.text(max_size=40) | st.text("v=STSv1; id\t", max_size=40).map("v=STSv1;".__add__), max_size=3))
def test_no_record_is_too_strange_to_be_read(texts: list[str]) -> None:
    announced = policy_id(texts)
    assert announced is None or (announced.isascii() and announced.isalnum() and 1 <= len(announced) <= 32)


# The policy.


def test_a_policy_is_read() -> None:
    assert Policy.parse(POLICY) == Policy(Mode.ENFORCE, ("mail.example.com", "*.example.net"), 604800)


@pytest.mark.parametrize(
    "octets",
    [
        POLICY.replace(b"\r\n", b"\n"),
        POLICY.rstrip(),
        POLICY + b"\r\n \r\n",
        POLICY.replace(b": ", b":"),
        POLICY.replace(b"\r\n", b" \t\r\n"),
        POLICY + b"x-future.field_1: two words, \xc3\xa9\r\n",
        POLICY + b"mode: none\r\nversion: STSv2\r\nmax_age: 1\r\n",
        POLICY.replace(b"mail.EXAMPLE", b"mail.example").replace(b"*.example.net", b"*.Example.NET"),
        b"max_age: 604800\nmx: mail.example.com\nmx: *.example.net\nmode: enforce\nversion: STSv1",
    ],
)
def test_a_policy_may_be_written_in_these_ways_too(octets: bytes) -> None:
    assert Policy.parse(octets) == Policy.parse(POLICY)


def test_a_policy_of_none_needs_no_mx_and_a_life_is_a_year_at_most() -> None:
    policy = Policy.parse(b"version: STSv1\nmode: none\nmax_age: 9999999999\n")
    assert policy == Policy(Mode.NONE, (), 31_557_600)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "version"),
        (b"<!DOCTYPE html><html>Not found</html>", "not a field"),
        (POLICY.replace(b"STSv1", b"STSv2"), "version"),
        (POLICY.replace(b"version: STSv1\r\n", b""), "version"),
        (POLICY.replace(b"STSv1", b"stsv1"), "version"),
        (POLICY.replace(b"enforce", b"report"), "mode"),
        (POLICY.replace(b"enforce", b"Enforce"), "mode"),
        (POLICY.replace(b"mode: enforce\r\n", b""), "mode"),
        (POLICY.replace(b"604800", b"-1"), "max_age"),
        (POLICY.replace(b"604800", b"1h"), "max_age"),
        (POLICY.replace(b"604800", b"00000000001"), "max_age"),
        (POLICY.replace(b"604800", "٣".encode()), "max_age"),
        (POLICY.replace(b"max_age: 604800\r\n", b""), "max_age"),
        (POLICY.replace(b"mx: mail.example.com\r\nmx: *.example.net\r\n", b""), "no mx"),
        (POLICY.replace(b"mail.example.com", b".example.com"), "not a host"),
        (POLICY.replace(b"mail.example.com", b"*"), "not a host"),
        (POLICY.replace(b"mail.example.com", b"*.*.example.com"), "not a host"),
        (POLICY.replace(b"mail.example.com", b"mail.*.com"), "not a host"),
        (POLICY.replace(b"mail.example.com", b"mail*.example.com"), "not a host"),
        (POLICY.replace(b"mail.example.com", b"mail.example.com."), "not a host"),
        (POLICY.replace(b"mail.example.com", b"[192.0.2.1]"), "not a host"),
        (POLICY.replace(b"mail.example.com", b"a b"), "not a host"),
        (POLICY.replace(b"mail.example.com", "bücher.example".encode()), "not a host"),
        (POLICY.replace(b"mail.example.com", b"a." * 128 + b"com"), "not a host"),
        (POLICY.replace(b"mode: enforce", b"mode enforce"), "not a field"),
        (POLICY.replace(b"mode: enforce", b"mode : enforce"), "not a field"),
        (POLICY.replace(b"mode: enforce", b"mode:"), "not a field"),
        (POLICY.replace(b"\r\n", b"\r"), "not a field"),
        (POLICY + b"x: \x00\r\n", "not a field"),
        (POLICY + b"x: \xff\r\n", "UTF-8"),
        (b"\xef\xbb\xbf" + POLICY, "not a field"),
        (POLICY + b"x: y\n" * 20_000, "octets"),
    ],
)
def test_what_keeps_not_to_the_grammar_is_no_policy(octets: bytes, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        Policy.parse(octets)


lines = st.sampled_from([b"version: STSv1", b"mode: enforce", b"mode: none", b"mx: a.b", b"max_age: 1", b"x: y", b": "])


@given(st.binary(max_size=100) | st.lists(lines | st.binary(max_size=20)).map(b"\n".join))
@example(b"a:" + b" " * (LARGEST - 3) + b"\x01")
@example(b"mx: " + b"a-" * 32_000)
def test_no_octets_are_too_strange_to_be_read(octets: bytes) -> None:
    try:
        policy = Policy.parse(octets)
    except BadPolicy:
        return
    assert policy.mode in Mode
    assert policy.mx or policy.mode is Mode.NONE
    assert 0 <= policy.max_age <= 31_557_600


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=5).map(".".join)
patterns = st.tuples(st.sampled_from(["", "*."]), hosts).map("".join)


@given(st.sampled_from(Mode), st.lists(patterns, min_size=1, max_size=5), st.integers(0, 31_557_600))
def test_what_is_written_is_what_is_read(mode: Mode, mx: list[str], max_age: int) -> None:
    written = [f"mode: {mode}", *(f"mx: {each}" for each in mx), f"max_age: {max_age}", "version: STSv1"]
    assert Policy.parse("\r\n".join(written).encode()) == Policy(mode, tuple(mx), max_age)


# Which servers it covers.


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("mail.example.com", "mail.example.com", True),
        ("mail.example.com", "MAIL.Example.com.", True),
        ("mail.example.com", "mail.example.org", False),
        ("mail.example.com", "a.mail.example.com", False),
        ("example.com", "mail.example.com", False),
        ("*.example.com", "mx1.example.com", True),
        ("*.example.com", "MX1.EXAMPLE.COM", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "mx1badexample.com", False),
        ("*.example.com", "mx1.example.com.evil.example", False),
        ("*.com", "com", False),
        ("mail.example.com", "", False),
    ],
)
def test_a_star_stands_for_exactly_one_label(pattern: str, host: str, covered: bool) -> None:
    assert Policy(Mode.ENFORCE, (pattern,), 1).covers(host) is covered


@given(patterns, hosts)
def test_a_pattern_covers_what_it_says_and_nothing_else(pattern: str, host: str) -> None:
    policy = Policy(Mode.ENFORCE, (pattern,), 1)
    parent = pattern.removeprefix("*.")
    assert policy.covers(host) == (host.split(".")[pattern.startswith("*.") :] == parent.split("."))
    assert policy.covers(pattern.replace("*", "x"))
    assert policy.covers(f"x.{parent}") == (pattern.startswith("*.") or pattern == f"x.{parent}")
