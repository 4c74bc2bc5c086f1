"""Webhooks over every home's directory."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import pytest

from postroom.account.vault import Vault, VaultError
from postroom.account.webhook import MOST, OVERLAP, State
from postroom.ports import Directory
from postroom.remembered import Remembered
from postroom.webhooks import GONE, Listeners, TooMany, Webhooks
from tests.contracts.threads import at_once

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
HOOK = "https://shop.example/hook"
VAULT = Vault((b"\x07" * 32,), os.urandom)


@pytest.fixture
def webhooks(directory: Directory) -> Webhooks:
    return Webhooks(
        directory=directory, memory=directory, vault=VAULT, clock=lambda: NOON, randomness=os.urandom, pause=sleep
    )


def test_a_webhook_lives_from_making_to_removing(webhooks: Webhooks, directory: Directory) -> None:
    assert Listeners(memory=webhooks.memory).wanted() == {}
    assert webhooks.all() == []
    made, secret = webhooks.create(HOOK, ["email.sent", "email.bounced", "email.sent"])
    later = replace(webhooks, clock=lambda: NOON + timedelta(seconds=1))
    other, _ = later.create(HOOK, ["webhook.disabled"])
    assert webhooks.all() == [other, made]
    assert webhooks.get(made.id) == made
    assert webhooks.signing_secrets(made) == (secret,)
    assert secret.hex() not in str(made.record())
    assert Listeners(memory=webhooks.memory).wanted() == {
        made.id: {"email.sent", "email.bounced"},
        other.id: {"webhook.disabled"},
    }
    changed = webhooks.change(made.id, endpoint=f"{HOOK}/2", events=["email.failed"])
    assert changed == replace(made, endpoint=f"{HOOK}/2", events=("email.failed",))
    assert webhooks.read(made.id) == changed
    assert webhooks.remove(made.id)
    assert not webhooks.remove(made.id)
    assert webhooks.all() == [other]
    assert webhooks.get(made.id) is None
    assert webhooks.change(made.id, endpoint=HOOK) is None
    assert webhooks.rotate(made.id) is None
    assert [key for key, _ in directory.list(GONE)] == [made.id]


def test_who_is_disabled_wants_nothing_until_somebody_enables_it(webhooks: Webhooks) -> None:
    made, _ = webhooks.create(HOOK, ["email.sent"])
    webhooks.failing(made.id, NOON)
    assert webhooks.disable(made.id, "it answered 410")
    assert not webhooks.disable(made.id, "it was late")
    found = webhooks.get(made.id)
    assert found is not None
    assert (found.status, found.why) == (State.DISABLED, "it answered 410")
    assert Listeners(memory=webhooks.memory).wanted() == {}
    assert webhooks.change(made.id, status=State.DISABLED) == found
    assert webhooks.change(made.id, status=State.ENABLED) == made
    assert Listeners(memory=webhooks.memory).wanted() == {made.id: {"email.sent"}}
    assert webhooks.failing(made.id, NOON + timedelta(days=1)) == NOON + timedelta(days=1)
    assert not webhooks.disable("nobody", "it isn't there")


def test_a_rotated_secret_signs_along_for_a_day(webhooks: Webhooks) -> None:
    made, old = webhooks.create(HOOK, ["email.sent"])
    new = webhooks.rotate(made.id)
    rotated = webhooks.read(made.id)
    assert rotated is not None
    assert webhooks.signing_secrets(rotated) == (new, old)
    later = replace(webhooks, clock=lambda: NOON + OVERLAP)
    assert later.signing_secrets(rotated) == (new,)


def test_a_secret_whose_master_key_is_gone_is_rotated_out(webhooks: Webhooks) -> None:
    made, _ = webhooks.create(HOOK, ["email.sent"])
    after = replace(webhooks, vault=Vault((b"\x08" * 32,), os.urandom))
    with pytest.raises(VaultError):
        after.signing_secrets(made)
    new = after.rotate(made.id)
    rotated = after.read(made.id)
    assert rotated is not None
    assert after.signing_secrets(rotated) == (new,)


def test_changes_at_once_all_count(webhooks: Webhooks) -> None:
    """Each is written over what the others have left."""
    at_once(4, lambda number: webhooks.create(f"{HOOK}/{number}", ["email.sent"]))
    assert {each.endpoint for each in webhooks.all()} == {f"{HOOK}/{number}" for number in range(4)}


def test_there_are_as_many_as_a_document_has_room_for(webhooks: Webhooks) -> None:
    longest = "https://shop.example/" + "x" * 1979
    for _ in range(MOST):
        webhooks.create(longest, [f"email.{number:020}" for number in range(38)])
    with pytest.raises(TooMany):
        webhooks.create(HOOK, ["email.sent"])
    assert len(webhooks.all()) == MOST


def test_it_is_known_since_when_a_webhook_has_failed(webhooks: Webhooks) -> None:
    later = NOON + timedelta(hours=1)
    assert webhooks.failing("one", NOON) == NOON
    assert webhooks.failing("one", later) == NOON
    webhooks.well("one")
    webhooks.well("one")
    assert webhooks.failing("one", later) == later


def test_what_is_remembered_hides_no_new_webhook_from_who_is_to_tell_it(webhooks: Webhooks) -> None:
    memory = Remembered(webhooks.directory, 3600, monotonic)
    teller, listeners = replace(webhooks, directory=memory.afresh, memory=memory), Listeners(memory=memory)
    assert listeners.wanted() == {}
    made, _ = webhooks.create(HOOK, ["email.sent"])  # by another process
    assert listeners.wanted() == {}
    assert teller.get(made.id) == made
    assert listeners.wanted() == {made.id: {"email.sent"}}
    assert webhooks.disable(made.id, "it answered 410")
    assert teller.get(made.id) == made
    assert webhooks.create(HOOK, ["email.sent"])
    assert teller.change(made.id, status=State.ENABLED) == made
