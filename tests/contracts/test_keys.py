"""API keys over every home's directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.key import ApiKey, Permission, token_hash
from postroom.keys import Keys
from postroom.ports import Cursor, Directory
from tests.contracts.threads import at_once

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def asked(name: str, minutes: int = 0) -> ApiKey:
    return ApiKey("", name, Permission.SENDING_ACCESS, NOON + timedelta(minutes=minutes))


@pytest.fixture
def keys(directory: Directory) -> Keys:
    return Keys(directory)


def names(keys: Keys) -> list[str]:
    return [key.name for key in keys.page(Cursor()).items]


def test_a_key_lives_from_making_to_revoking(keys: Keys, directory: Directory) -> None:
    key, token = keys.make(asked("shop"), os.urandom)
    other, _ = keys.make(asked("office", 1), os.urandom)
    assert directory.get("api_key", token_hash(token)) == key.record()
    assert keys.page(Cursor()).items == (other, key)
    assert keys.rename(key.id, "shop 2") is not None
    assert names(keys) == ["office", "shop 2"]
    assert keys.revoke(key.id)
    assert not keys.revoke(key.id)
    assert keys.rename(key.id, "shop") is None
    assert directory.get("api_key", token_hash(token)) is None
    assert names(keys) == ["office"]


def test_keys_from_before_there_was_a_list_are_listed_and_can_be_revoked(keys: Keys, directory: Directory) -> None:
    for number in range(3):
        directory.put("api_key", token_hash(f"pr_{number}"), ApiKey(f"{number}", f"{number}", *OLD).record())
    new, _ = keys.make(asked("new"), os.urandom)
    assert sorted(names(keys)) == ["0", "1", "2", "new"]
    assert keys.revoke("1")
    assert directory.get("api_key", token_hash("pr_1")) is None
    assert directory.get("api_key", token_hash("pr_2")) is not None
    assert keys.revoke(new.id)
    assert sorted(names(keys)) == ["0", "2"]


OLD = (Permission.FULL_ACCESS, NOON)


def test_when_a_key_was_last_used_is_known_to_the_hour(keys: Keys, directory: Directory) -> None:
    _, token = keys.make(asked("shop"), os.urandom)
    hashed = token_hash(token)

    def use(minutes: int) -> datetime | None:
        keys.used(hashed, directory.get("api_key", hashed) or {}, NOON + timedelta(minutes=minutes))
        (key,) = keys.page(Cursor()).items
        return key.last_used_at

    assert use(0) == NOON
    assert use(59) == NOON
    assert use(61) == NOON + timedelta(minutes=61)


def test_a_key_that_is_used_while_it_is_revoked_stays_revoked(keys: Keys, directory: Directory) -> None:
    key, token = keys.make(asked("shop"), os.urandom)
    document = directory.get("api_key", token_hash(token)) or {}
    keys.revoke(key.id)
    keys.used(token_hash(token), document, NOON)
    assert directory.get("api_key", token_hash(token)) is None
    assert names(keys) == []


def test_a_new_name_and_a_use_at_once_both_count(keys: Keys, directory: Directory) -> None:
    key, token = keys.make(asked("shop"), os.urandom)
    document = directory.get("api_key", token_hash(token)) or {}

    def change(number: int) -> None:
        if number:
            keys.rename(key.id, f"name {number}")
        else:
            keys.used(token_hash(token), document, NOON)

    at_once(3, change)
    (found,) = keys.page(Cursor()).items
    assert found.name in ("name 1", "name 2")
    keys.used(token_hash(token), found.record(), NOON)
    assert keys.page(Cursor()).items[0].last_used_at == NOON
