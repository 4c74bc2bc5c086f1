"""API keys: shown once, kept as a hash, compared without telling."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.key import (
    ApiKey,
    Permission,
    address,
    check_name,
    network,
    new_token,
    same_token,
    token_hash,
)

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def test_a_token_has_our_prefix_and_all_of_its_randomness() -> None:
    assert re.fullmatch(r"pr_[A-Za-z0-9_-]{43}", new_token(bytes(range(32))))
    assert new_token(bytes(32)) != new_token(bytes(31) + b"\1")
    with pytest.raises(ValueError, match="32 octets"):
        new_token(b"short")


def test_what_is_kept_says_nothing_of_the_token() -> None:
    token = new_token(bytes(range(32)))
    assert token not in token_hash(token)
    assert token_hash(token) != token_hash(token[:-1])


@pytest.mark.parametrize("other", ["", "pr_other", "pr_\ud800", "pr_é"])
def test_only_the_same_token_is_the_same(other: str) -> None:
    assert same_token("pr_one", "pr_one")
    assert not same_token("pr_one", other)


def test_a_key_comes_back_from_its_record() -> None:
    key = ApiKey("id", "shop", Permission.SENDING_ACCESS, datetime(2026, 11, 24, tzinfo=UTC))
    assert ApiKey.from_record(key.record()) == key


def test_a_key_comes_back_with_all_that_restricts_it() -> None:
    key = ApiKey(
        "id", "shop", Permission.SENDING_ACCESS, NOON, "domain", NOON, (network("192.0.2.0/24"), network("::1")), NOON
    )
    assert ApiKey.from_record(key.record()) == key


def test_a_key_from_before_there_was_more_to_it_is_read() -> None:
    stored = {"id": "id", "name": "shop", "permission": "full_access", "created_at": NOON.isoformat()}
    key = ApiKey.from_record(stored)
    assert key.record() == stored
    assert not key.has_expired(NOON)
    assert key.may_come_from(None)


def test_a_key_is_good_until_the_moment_that_it_expires() -> None:
    key = ApiKey("id", "shop", Permission.FULL_ACCESS, NOON, expires_at=NOON)
    assert not key.has_expired(NOON - timedelta(microseconds=1))
    assert key.has_expired(NOON)


@pytest.mark.parametrize(
    ("place", "good"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.3.7", False),
        ("2001:db8::7", True),
        ("2001:db9::7", False),
    ],
)
def test_a_key_may_be_bound_to_networks(place: str, good: bool) -> None:
    networks = (network("192.0.2.0/24"), network("2001:db8::/32"))
    key = ApiKey("id", "shop", Permission.FULL_ACCESS, NOON, networks=networks)
    assert key.may_come_from(address(place)) is good
    assert not key.may_come_from(None)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        (" 2001:DB8::/32 ", "2001:db8::/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_networks_have_one_spelling(text: str, read: str) -> None:
    assert str(network(text)) == read


@pytest.mark.parametrize("text", ["", "here", "192.0.2.0/33", "192.0.2", "192.0.2.0-9", "fe80::1%eth0/64", "１.2.3.4"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a network in CIDR notation"):
        network(text)


def test_an_address_with_the_length_of_its_network_is_asked_back() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.2\.3 lies within .* 10\.0\.0\.0/8, .* alone is 10\.1\.2\.3/32"):
        network("10.1.2.3/8")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101, "a\x00", "a\u2028b"])
def test_a_name_is_something_to_read(name: str) -> None:
    with pytest.raises(ValueError, match=r"name|longer"):
        check_name(name)
