"""What tells webhooks costs the others nothing, and a session's letters one call of the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.clouds.local.queue import Task
from postroom.delivery.notice import MOST, Notice, notices
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.ports import Unavailable
from postroom.telling import WAIT, Telling
from tests.usecases.fate import Fate, Watched
from tests.usecases.listeners import Listening
from tests.usecases.office import NOON, FakeSchedule, UseCases


def parcels(office: UseCases, count: int) -> list[Parcel]:
    """Of letters that were delivered, whose news waits for the webhooks there are."""
    found: list[Parcel] = []
    for number in range(count):
        submission = office.submit(f"{number}@example.net")
        office.deliver(office.schedule.take()[0])
        found += office.stored(submission).parcels
    office.schedule.notices.clear()
    return found


def calls(folder: Path, *, listens: bool) -> list[str]:
    """The calls of the outside world from a letter's acceptance to its delivery."""
    office, fate = UseCases(folder), Fate(-1, after=False)
    if listens:
        Listening(office).webhook()
    store, queue = Watched("submissions", office.submissions, fate), Watched("schedule", office.schedule, fate)
    replace(office.accept, submissions=store, schedule=queue)(office.request())
    office.worker("another", store, queue)(office.schedule.take()[0])  # type: ignore[arg-type]  # as they are
    office.close()
    return fate.calls


def test_a_webhook_costs_a_letter_one_more_call_and_no_webhook_none(tmp_path: Path) -> None:
    quiet, told = (calls(tmp_path / str(listens), listens=listens) for listens in (False, True))
    assert quiet == [
        "submissions.create",
        "schedule.put_many",
        "submissions.find",
        "submissions.change",
        "submissions.change",
    ]
    assert told == [*quiet, "schedule.put_many"]


def test_news_of_one_task_shares_a_notice_and_waits_a_second_for_it(office: UseCases) -> None:
    Listening(office).webhook()
    seconds = 1.0
    schedule = FakeSchedule()
    telling = Telling(schedule=schedule, clock=lambda: NOON, monotonic=lambda: seconds)
    several = parcels(office, 4)
    with telling.together():
        telling(several[:1])
        telling(several[1:2])
        assert schedule.notices == []
        seconds += WAIT
        telling(several[2:3])
        assert [len(notice.parcels) for notice, _ in schedule.notices] == [3]
        telling(several[3:])
    assert [len(notice.parcels) for notice, _ in schedule.notices] == [3, 1]
    telling(several[:1])
    assert len(schedule.notices) == 3


def test_a_task_whose_news_can_not_be_put_comes_again(office: UseCases) -> None:
    Listening(office).webhook()
    schedule = FakeSchedule(down=Unavailable("the queue"))
    telling = Telling(schedule=schedule, clock=lambda: NOON, monotonic=lambda: 1.0)
    with pytest.raises(Unavailable), telling.together():
        telling(parcels(office, 1))


def test_a_task_that_comes_again_puts_the_same_notice_and_further_news_another(office: UseCases) -> None:
    Listening(office).webhook()
    (parcel,) = parcels(office, 1)
    (once,), (again,) = notices([parcel]), notices([parcel])
    (more,) = notices([replace(parcel, news=(*parcel.news, parcel.news[0]))])
    assert once.name == again.name != more.name
    assert once.again().name not in (once.name, more.name)


def test_many_parcels_are_shared_out(office: UseCases) -> None:
    Listening(office).webhook()
    (parcel,) = parcels(office, 1)
    made = notices([replace(parcel, number=number) for number in range(MOST + 1)])
    assert [len(each.parcels) for each in made] == [11, 10]


def test_a_notice_counts_for_the_letters_and_events_that_it_tells_of() -> None:
    notice = Notice("hook", ((SubmissionId("a"), 0), (SubmissionId("b"), 0)), ("event",))
    task = Task(1, notice.name, notice.queue, notice.body(), NOON + timedelta())
    assert task.letters == 3
