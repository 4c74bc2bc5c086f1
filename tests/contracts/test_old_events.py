"""What webhooks were told is kept for a while, in every home."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import NoReturn

import pytest

from postroom.account.event import Event
from postroom.account.vault import Vault
from postroom.catalog import newest_first
from postroom.event_log import EventLog
from postroom.old_events import LAST_WORDS, OldEvents
from postroom.ports import Cursor, Directory, Unavailable
from postroom.webhooks import FAILING, GONE, Webhooks

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Town:
    def __init__(self, directory: Directory) -> None:
        self.now = NOON
        self.directory = directory
        self.log = EventLog(directory=directory, clock=lambda: self.now)
        self.webhooks = Webhooks(
            directory=directory,
            memory=directory,
            vault=Vault((b"\x07" * 32,), os.urandom),
            clock=lambda: self.now,
            randomness=os.urandom,
            pause=sleep,
        )

    def webhook(self) -> str:
        return self.webhooks.create("https://shop.example/hook", ["email.sent"])[0].id

    def told(self, webhook: str, days: float) -> str:
        at = NOON + days * DAY
        event = Event(id=newest_first(at, os.urandom), type="email.sent", created_at=at, data={})
        return self.log.begin(webhook, event).id

    def kept(self, webhook: str) -> list[str]:
        return [each.id for each in self.log.page(webhook, Cursor(limit=1000)).items]

    def sweep(self, days: float, times: int = 1_000) -> int:
        self.now = NOON + days * DAY
        left = iter([True] * times)
        events = OldEvents(directory=self.directory, log=self.log, clock=lambda: self.now, keep=30 * DAY)
        return events(lambda: next(left, False))


def test_old_events_go_and_young_ones_stay(directory: Directory) -> None:
    town = Town(directory)
    one, other = town.webhook(), town.webhook()
    old, young = [town.told(one, 0) for _ in range(3)], town.told(one, 1)
    elsewhere = town.told(other, 1)
    assert town.sweep(29) == 0
    assert set(town.kept(one)) == {*old, young}
    assert town.sweep(30.5) == 3
    assert (town.kept(one), town.kept(other)) == ([young], [elsewhere])


def test_the_log_of_a_deleted_webhook_goes_with_what_is_recorded_late(directory: Directory) -> None:
    town = Town(directory)
    webhook, other = town.webhook(), town.webhook()
    town.told(webhook, 0)
    kept = town.told(other, 0)
    town.webhooks.failing(webhook, NOON)
    assert town.webhooks.remove(webhook)
    assert town.sweep(0) == 1
    town.told(webhook, 0)  # by somebody who was under way
    assert town.sweep(LAST_WORDS / DAY) == 1
    assert town.kept(webhook) == []
    assert (directory.list(GONE), directory.list(FAILING)) == ([], [])
    assert town.kept(other) == [kept]


def test_a_webhook_whose_removal_failed_keeps_its_log(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town(directory)
    webhook = town.webhook()
    kept = town.told(webhook, 0)
    town.webhooks.failing(webhook, NOON)
    with monkeypatch.context() as patch:
        patch.setattr(Webhooks, "_change", _out_of_reach)
        with pytest.raises(Unavailable):
            town.webhooks.remove(webhook)
    assert town.sweep(0) == town.sweep(0.5) == 0
    assert len(directory.list(GONE)) == 1
    assert town.sweep(LAST_WORDS / DAY) == 0
    assert (town.kept(webhook), directory.list(GONE)) == ([kept], [])
    assert directory.get(FAILING, webhook) is not None
    assert town.webhooks.remove(webhook)
    assert town.sweep(2 * LAST_WORDS / DAY) == 1


def _out_of_reach(*_: object) -> NoReturn:
    raise Unavailable("the storage")


def test_a_run_ends_when_its_time_is_over_and_the_next_goes_on(directory: Directory) -> None:
    town = Town(directory)
    webhook = town.webhook()
    for _ in range(150):
        town.told(webhook, 0)
    town.webhooks.remove(webhook)
    assert town.sweep(2, times=1) == 100
    assert len(directory.list(GONE)) == 1
    assert town.sweep(2) == 50
    assert directory.list(GONE) == []
