"""Secrets for those who hold the master keys."""

from __future__ import annotations

import os

import pytest

from postroom.account.vault import Vault, VaultError

VAULT = Vault((b"k" * 32,), os.urandom)


def test_what_is_closed_opens_again_and_shows_nothing_of_the_secret() -> None:
    closed = VAULT.close(b"whsec_something", "webhooks")
    assert "whsec" not in closed
    assert closed.isascii()
    assert VAULT.open(closed, "webhooks") == b"whsec_something"


def test_no_two_look_alike() -> None:
    assert VAULT.close(b"same", "webhooks") != VAULT.close(b"same", "webhooks")


def test_after_a_change_of_keys_what_the_old_one_closed_still_opens() -> None:
    closed = VAULT.close(b"old", "webhooks")
    assert Vault((b"n" * 32, b"k" * 32), os.urandom).open(closed, "webhooks") == b"old"


@pytest.mark.parametrize("purpose", ["webhooks", "links"])
@pytest.mark.parametrize("closed", ["", "a", "é", "AAAA", "A" * 80, "!" * 40])
def test_what_nobody_closed_does_not_open(closed: str, purpose: str) -> None:
    with pytest.raises(VaultError, match=purpose):
        VAULT.open(closed, purpose)


def test_what_was_closed_for_another_purpose_or_with_another_key_does_not_open() -> None:
    closed = VAULT.close(b"secret", "webhooks")
    for vault, purpose in ((VAULT, "links"), (Vault((b"x" * 32,), os.urandom), "webhooks")):
        with pytest.raises(VaultError):
            vault.open(closed, purpose)


def test_what_was_tampered_with_does_not_open() -> None:
    closed = VAULT.close(b"secret", "webhooks")
    turned = closed[:-2] + ("A" if closed[-2] != "A" else "B") + closed[-1]
    with pytest.raises(VaultError):
        VAULT.open(turned, "webhooks")
