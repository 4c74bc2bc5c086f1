"""API keys: shown once, kept as a hash, compared without telling."""

import re
from datetime import UTC, datetime

import pytest

from postroom.account.key import ApiKey, Permission, new_token, same_token, token_hash


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
