"""Webhooks lie in one document: who changes them at the same time as others waits for his turn."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from postroom.account.webhook import MOST
from postroom.ports import Directory, Unavailable
from postroom.webhooks import PLACE, Webhooks
from tests.contracts.threads import at_once
from tests.usecases.listeners import Listening
from tests.usecases.office import UseCases

HOOK = "https://app.example/hook"


class Overtaken:
    """A directory in which somebody else is always first, so many times."""

    def __init__(self, directory: Directory, times: int) -> None:
        self.times = times
        self.directory = directory
        self.get, self.create = directory.get, directory.create

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        self.times -= 1
        return self.times < 0 and self.directory.replace(kind, key, document, over)


@pytest.fixture
def webhooks(office: UseCases) -> Webhooks:
    made = Listening(office).webhooks
    made.create(HOOK, ["email.sent"])
    return replace(made, randomness=lambda octets: b"\xff" * octets)


def test_who_is_overtaken_waits_longer_each_time_and_comes_to_his_turn(office: UseCases, webhooks: Webhooks) -> None:
    late: Any = Overtaken(office.directory, 12)
    replace(webhooks, directory=late).create(HOOK, ["email.sent"])
    assert len(webhooks.all()) == 2
    assert len(office.pauses) == 12
    assert office.pauses == sorted(office.pauses)
    assert office.pauses[0] < 0.03
    assert office.pauses[-1] <= 0.5


def test_who_never_comes_to_his_turn_is_told_so(office: UseCases, webhooks: Webhooks) -> None:
    late: Any = Overtaken(office.directory, 10_000)
    with pytest.raises(Unavailable, match="changed all the time"):
        replace(webhooks, directory=late).create(HOOK, ["email.sent"])
    assert sum(office.pauses) < 30


def test_many_at_once_all_come_to_their_turn(office: UseCases) -> None:
    webhooks = replace(Listening(office).webhooks, randomness=os.urandom, pause=time.sleep)

    def create(number: int) -> None:
        for each in range(number, MOST, 20):
            webhooks.create(f"{HOOK}/{each}", ["email.sent"])

    at_once(20, create)
    document = office.directory.get(*PLACE)
    assert document is not None
    assert {each["endpoint"] for each in document["webhooks"]} == {f"{HOOK}/{number}" for number in range(MOST)}
