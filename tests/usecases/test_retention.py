"""What is old enough goes, what isn't over stays, and no repeat of a request finds a hole where its letter was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from postroom.delivery.submission import Submission
from postroom.erasing import Erase, StillSending
from postroom.leftovers import KINDS
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import Cursor, Unavailable
from postroom.retention import Retention
from tests.usecases.office import UseCases, deferred

DAY = timedelta(days=1)
NAMES = count()


def retention(office: UseCases, keep: timedelta = 30 * DAY, seconds: float = 60) -> Retention:
    return Retention(
        submissions=office.submissions,
        directory=office.directory,
        clock=lambda: office.now,
        monotonic=lambda: 1.0,
        identify=lambda: f"{next(NAMES):06}",
        keep=keep,
        seconds=seconds,
    )


def delivered(office: UseCases, **options: Any) -> Submission:
    submission = office.submit(**options)
    office.deliver(office.schedule.take()[0])
    return submission


def notes(office: UseCases) -> list[str]:
    return [each for _, note in office.directory.list("purge_note") for each in note["submissions"]]


def test_a_letter_goes_when_its_time_is_over_and_all_that_belongs_to_it(office: UseCases) -> None:
    old = delivered(office)
    office.now += 20 * DAY
    young = delivered(office)
    office.now += 10 * DAY - timedelta(seconds=1)
    assert retention(office)() == 0
    office.now += timedelta(seconds=2)
    assert retention(office)() == 1
    assert office.submissions.get(old.id) is None
    assert office.submissions.letter(old.id) is None
    assert [each.id for each in office.submissions.list(Cursor()).items] == [young.id]
    for table in ("letters", "parcels", "attempts"):
        assert office.database.read(f"SELECT count(*) FROM {table}") == [(1,)], table  # noqa: S608
    assert notes(office) == []


def test_what_is_not_over_stays_until_it_is(office: UseCases) -> None:
    office.wire.judge = deferred
    waiting = office.submit()
    task, _ = office.schedule.take()
    office.deliver(task)
    keep = timedelta(hours=6)
    office.now += keep + timedelta(minutes=1)
    assert retention(office, keep)() == 0
    assert office.statuses(waiting) == ["deferred"]
    office.now += 3 * DAY
    office.deliver(office.schedule.take()[0])
    assert office.statuses(waiting) == ["expired"]
    assert retention(office, keep)() == 1
    assert office.submissions.get(waiting.id) is None


def test_a_letter_that_was_to_be_sent_late_is_kept_from_then_on(office: UseCases) -> None:
    submission = delivered(office)
    sent = office.stored(submission)
    parcels = tuple(replace(each, scheduled_at=office.now + 20 * DAY) for each in sent.parcels)
    late = replace(sent, parcels=parcels)
    office.submissions.purge(submission.id)
    office.submissions.create(late, b"letter")
    office.now += 31 * DAY
    assert retention(office)() == 0
    assert notes(office) == [submission.id]
    office.now += 18 * DAY
    assert retention(office)() == 0
    office.now += 2 * DAY
    assert retention(office)() == 1
    assert notes(office) == []


def test_the_head_of_a_keyed_letter_outlives_a_short_retention(office: UseCases) -> None:
    """Its content goes in time, and a repeat within the day still finds that it was there."""
    submission = delivered(office, idempotency_key="k")
    keep = timedelta(hours=1)
    office.now += keep + timedelta(minutes=1)
    assert retention(office, keep)() == 1
    assert office.submissions.letter(submission.id) is None
    assert office.submit(idempotency_key="k").id == submission.id
    assert office.schedule.put_ == []
    office.now += timedelta(hours=22)
    assert retention(office, keep)() == 0
    office.now += timedelta(hours=1)
    assert retention(office, keep)() == 1
    assert office.submissions.get(submission.id) is None
    assert notes(office) == []


def test_a_key_that_was_used_anew_keeps_its_old_id_taken(office: UseCases) -> None:
    first = delivered(office, idempotency_key="k")
    office.now += 30 * DAY - timedelta(hours=1)
    second = delivered(office, idempotency_key="k")
    assert second.id != first.id
    office.now += timedelta(hours=2)
    assert retention(office)() == 1
    assert office.submissions.letter(first.id) is None
    assert office.submit(idempotency_key="k").id == second.id, "and isn't sent a third time"
    assert office.schedule.put_ == []
    office.now += 2 * DAY
    assert retention(office)() == 1
    assert office.submissions.get(first.id) is None
    assert office.submissions.get(second.id) is not None


def test_an_erased_letter_leaves_nothing_after_its_day(office: UseCases) -> None:
    erase = Erase(submissions=office.submissions, directory=office.directory, clock=lambda: office.now)
    submission = office.submit("bob@example.net", "carol@example.org", idempotency_key="k")
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    assert erase(submission.id)
    for task in tasks:
        office.deliver(task)
    assert office.wire.carried == [], "it was taken back"
    assert office.schedule.put_ == []
    assert not erase(submission.id)
    office.now += DAY - timedelta(minutes=1)
    assert retention(office)() == 0
    office.now += timedelta(minutes=1)
    assert retention(office)() == 1
    assert office.submissions.get(submission.id) is None
    assert notes(office) == []


def test_a_letter_whose_worker_died_can_be_erased_at_once(office: UseCases) -> None:
    erase = Erase(
        submissions=office.submissions,
        directory=office.directory,
        clock=lambda: office.now,
        holders=office.deliver.claims.holders,
    )
    submission = office.submit()
    task, _ = office.schedule.take()
    office.die_with(task)
    with pytest.raises(StillSending):
        erase(submission.id)
    office.kill_the_last()
    assert erase(submission.id)
    office.deliver(task)
    assert office.wire.carried == [office.wire.carried[0]], "only what the dead one sent"


def test_a_run_is_bounded_and_the_next_goes_on(office: UseCases) -> None:
    for _ in range(250):
        delivered(office)
    office.now += 31 * DAY
    ticks = iter(range(1000))
    short = replace(retention(office, seconds=4.0), monotonic=lambda: float(next(ticks)))
    assert short() == 100
    assert retention(office)() == 150
    assert retention(office)() == 0


def test_a_run_that_dies_in_the_middle_leaves_nothing_behind(office: UseCases) -> None:
    class Killed(BaseException):
        pass

    for _ in range(3):
        delivered(office)
    office.now += 31 * DAY
    once = retention(office)

    class Dying:
        purged = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(office.submissions, name)

        def purge(self, id_: Any) -> None:
            self.purged += 1
            if self.purged == 2:
                raise Killed
            office.submissions.purge(id_)

    with pytest.raises(Killed):
        replace(once, submissions=Dying())()
    assert len(notes(office)) == 3, "who they were"
    assert retention(office)() == 2
    office.now += timedelta(hours=2)
    assert retention(office)() == 0
    assert notes(office) == []


def test_two_runs_at_once_do_no_harm(office: UseCases) -> None:
    letters = [delivered(office) for _ in range(3)]
    office.now += 31 * DAY
    other = retention(office)
    before = other.submissions.created_since(None, office.now, 10)
    assert retention(office)() == 3

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(office.submissions, name)

        def created_since(self, *_: Any) -> Any:
            return before

    office.directory.delete("sweep", "retention")
    assert replace(other, submissions=Late())() == 3
    assert [office.submissions.get(each.id) for each in letters] == [None] * 3


def test_what_the_home_can_not_do_is_done_by_the_next_run(office: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered(office)
    office.now += 31 * DAY

    def away(_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(office.submissions, "purge", away)
        with pytest.raises(Unavailable):
            retention(office)()
    assert retention(office)() == 1


def test_large_letters_leave_no_file(office: UseCases) -> None:
    address = Mailbox.parse("alice@example.org")
    large = Letter(sender=address, to=(address,), subject="x", text="x" * 300_000).pack()
    submission = office.stored(office.submit())
    office.submissions.purge(submission.id)
    closed = replace(submission, parcels=())
    office.submissions.create(closed, large)
    office.submissions.complete(closed.id, large + b"completed")
    folder = office.database.folder / "letters"
    assert len([each for each in folder.rglob("*") if each.is_file()]) == 2
    office.now += 31 * DAY
    assert retention(office)() == 1
    assert [each for each in folder.rglob("*") if each.is_file()] == []


def test_the_file_does_not_grow_where_as_much_goes_as_comes(office: UseCases) -> None:
    def month() -> int:
        for _ in range(60):
            delivered(office)
        office.now += 31 * DAY
        retention(office)()
        ((pages,),) = office.database.read("PRAGMA page_count")
        return int(pages)

    month()
    pages = [month() for _ in range(4)]
    assert max(pages) <= pages[0] * 1.1 + 2, pages


HEALTH: Callable[[datetime], dict[str, Any]] = lambda at: {"failures": 1, "since": at.isoformat()}  # noqa: E731
POLICY = {"id": "1", "mode": "enforce", "mx": ["mx.example.net"], "max_age": 86400}


def test_what_was_written_for_a_while_and_never_taken_away_is_tidied_up_each_day(office: UseCases) -> None:
    now, directory = office.now, office.directory
    for kind in ("fetch", "slot", "superseded"):
        directory.put(kind, "old", {"until": now.isoformat()})
        directory.put(kind, "young", {"until": (now + timedelta(seconds=1)).isoformat()})
    directory.put("health", "old", HEALTH(now - 8 * DAY))
    directory.put("health", "young", HEALTH(now - 6 * DAY))
    directory.put("sts", "old", {**POLICY, "fetched_at": (now - 60 * DAY).isoformat()})
    directory.put("sts", "young", {**POLICY, "fetched_at": now.isoformat()})
    directory.put("domain", "old", {"until": now.isoformat()})
    retention(office)()
    assert {kind: [key for key, _ in directory.list(kind)] for kind in KINDS} == {kind: ["young"] for kind in KINDS}
    assert directory.get("domain", "old") is not None
    office.now += DAY / 2
    retention(office)()
    assert directory.get("slot", "young") is not None, "not before the day is over"
    office.now += DAY / 2
    retention(office)()
    assert directory.get("slot", "young") is None


def test_tidying_up_goes_on_where_it_stopped(office: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.leftovers._MOST", 100)
    for number in range(250):
        office.directory.put("health", f"{number:03}", HEALTH(office.now - 8 * DAY))
    left = []
    for _ in range(4):
        retention(office)()
        left.append(len(office.directory.list("health", limit=1000)))
    assert left == [150, 50, 0, 0]
