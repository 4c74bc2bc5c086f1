"""Whoever tells webhooks remembers what they are for two seconds, however long keys may be remembered."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from postroom import wiring
from postroom.account.vault import Vault
from postroom.settings import Settings
from postroom.webhooks import PLACE, Webhooks

SOON = 2.1  # seconds


class House:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        clocks = SimpleNamespace(monotonic=lambda: self.seconds, sleep=time.sleep)
        monkeypatch.setattr(wiring, "time", clocks)
        environment = {"POSTROOM_DATA": str(folder), "POSTROOM_CACHE": "1h", "POSTROOM_HELO": "mail.example.org"}
        self.settings = wiring.prepare(Settings.from_environment(environment))
        directory = wiring.home(self.settings).directory
        # Of another process, which shares no memory with this one.
        self.elsewhere = Webhooks(
            directory=directory,
            memory=directory,
            vault=Vault(self.settings.master_keys, os.urandom),
            clock=lambda: datetime.now(UTC),
            randomness=os.urandom,
            pause=time.sleep,
        )


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    return House(tmp_path / "data", monkeypatch)


def _news(settings: Settings) -> Mapping[str, Callable[[], Mapping[str, Any]]]:
    """What each of those who note or announce something asks."""
    return {
        "accept": wiring.accepting(settings).wanted,
        "change": wiring.changing(settings).claims.wanted,
        "deliver": wiring.delivering(settings).claims.wanted,
        "returns": wiring.returning(settings).claims.wanted,
        "announcing": wiring.announcing(settings).wanted,
    }


def test_what_happens_after_a_webhook_was_made_is_told_to_it(house: House) -> None:
    news = _news(house.settings)
    assert [wanted() for wanted in news.values()] == [{}] * len(news)
    made, _ = house.elsewhere.create("https://app.example/hook", ["email.sent"])
    house.seconds += SOON
    assert [wanted() for wanted in news.values()] == [{made.id: {"email.sent"}}] * len(news)


def test_what_is_changed_of_a_webhook_holds_for_who_tells_it(house: House) -> None:
    made, old = house.elsewhere.create("https://app.example/hook", ["email.sent"])
    teller = wiring.notifying(house.settings).webhooks
    assert teller.get(made.id) == made
    changed = house.elsewhere.change(made.id, endpoint="https://app.example/other")
    assert changed is not None
    new = house.elsewhere.rotate(made.id)
    house.seconds += SOON
    found = teller.get(made.id)
    assert found is not None
    assert found.endpoint == changed.endpoint
    assert teller.signing_secrets(found) == (new, old)
    assert house.elsewhere.remove(made.id)
    house.seconds += SOON
    assert teller.get(made.id) is None


def test_a_busy_process_reads_once_in_that_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = wiring.home(house.settings).directory
    looked: list[str] = []
    get = directory.get

    def counting(kind: str, key: str) -> Any:
        looked.append(kind)
        return get(kind, key)

    monkeypatch.setattr(directory, "get", counting)
    news = _news(house.settings)
    for _ in range(100):
        for wanted in news.values():
            wanted()
    assert looked == [PLACE[0]]
