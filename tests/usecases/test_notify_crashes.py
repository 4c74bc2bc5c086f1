"""Whoever dies at whatever call of the outside world: each event is posted at least once, and all ends in one state."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.account.event import Told
from postroom.claims import Claims
from postroom.delivery.submission import Submission
from postroom.event_log import EventLog
from postroom.ports import NotPosted, Posted
from tests.usecases.fate import Fate
from tests.usecases.listeners import Heard, Listening, fails, ok
from tests.usecases.mortal import Mortal
from tests.usecases.office import UseCases


class World(Mortal):
    """One letter to two people at one destination, and an application that fails at first."""

    def __init__(self, folder: Path, fate: Fate) -> None:
        super().__init__(UseCases(folder), fate)
        self.listening = Listening(self.office)
        self.webhook = self.listening.webhook("email.sent", "email.delivered")
        self.answers = iter((fails, fails))
        self.listening.endpoints.answer = self._answer
        self.submission: Submission | None = None

    def _answer(self, heard: Heard) -> Posted | NotPosted:
        answer: Posted | NotPosted = self.fate.watched("posts", next(self.answers, ok))(heard)
        return answer

    def live(self) -> None:
        while self.submission is None:
            self.submission = self._survived(self._submit)
        for _ in range(20):
            self._a_while()

    def _submit(self) -> Submission:
        accept = replace(self.office.accept, submissions=self._store, schedule=self._queue)
        return accept(self.office.request("bob@example.net", "cy@example.net", idempotency_key="key"))

    def _a_while(self) -> None:
        """Twenty minutes: what is due runs, the sweep passes by."""
        office = self.office
        office.now += timedelta(minutes=20)
        for waiting in (office.schedule.put_, office.schedule.notices):
            for each in list(waiting):
                work = self._worker() if waiting is office.schedule.put_ else self._notify()
                if each[1] <= office.now:
                    waiting.remove(each)  # type: ignore[arg-type]  # it is of the one that it came from
                    if self._survived(lambda: work(each[0]) or True) is None:  # noqa: B023  it runs at once
                        waiting.append((each[0], office.now))  # type: ignore[arg-type]  # it comes again
        self._survived(self._sweep())

    def _worker(self) -> Any:
        return self.office.worker(f"worker-{next(self._names)}", self._store, self._queue)

    def _notify(self) -> Any:
        log = EventLog(directory=self._directory, clock=lambda: self.office.now)
        return self.listening.function(claims=Claims(submissions=self._store), log=log, schedule=self._queue)


def lived(folder: Path, strikes_at: int, *, after: bool) -> World:
    world = World(folder, Fate(strikes_at, after))
    try:
        world.live()
        check(world, f"killed {'after' if after else 'before'} call {strikes_at}, {world.fate.calls[strikes_at]}")
    finally:
        world.office.close()
    return world


def check(world: World, case: str) -> None:
    assert world.submission is not None, case
    (parcel,) = world.office.stored(world.submission).parcels
    heard = world.listening.endpoints.heard
    expected = {(f"{who}@example.net", f"email.{word}") for who in ("bob", "cy") for word in ("sent", "delivered")}
    assert {(each.recipient, each.type) for each in heard} == expected, case
    assert len({each.id for each in heard}) == len({(each.id, each.body) for each in heard}) == 4, case
    events = world.listening.events(world.webhook)
    assert [each.status for each in events] == [Told.DELIVERED] * 4, case
    assert [each.webhooks for each in parcel.news] == [()] * 4, case
    assert world.office.schedule.notices == [], case


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after it"])
def test_wherever_a_process_dies_each_event_is_told_and_ends(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One after the other, so that each life has the same calls.
    monkeypatch.setattr("postroom.notify.at_once", lambda work, items: [work(each) for each in list(items)])
    calm = lived(tmp_path / "calm", -1, after=after)
    calls = calm.fate.calls
    assert {"posts", "directory.create", "directory.replace", "submissions.change", "schedule.put_many"} <= set(calls)
    assert len(calm.listening.endpoints.heard) == 6, "four events, two of which failed once"
    for number in range(len(calls)):
        world = lived(tmp_path / str(number), number, after=after)
        assert world.deaths == 1
