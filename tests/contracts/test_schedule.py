"""The contract of `Schedule`, with a function that the tasks come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic

from postroom.delivery.record import SubmissionId
from postroom.delivery.task import DeliveryTask, ParcelRef
from tests.contracts.homes import Home
from tests.contracts.samples import submission, task
from tests.contracts.threads import at_once


def now() -> datetime:
    return datetime.now(UTC)


def test_a_task_runs(home: Home) -> None:
    refs = tuple(ParcelRef(SubmissionId(f"id-{n}"), n, n, n) for n in range(3))
    sent = DeliveryTask("mx", "relay", "relay.example:587", refs)
    home.schedule.put(sent, now())
    assert home.ran(1) == [sent]


def test_a_task_whose_time_is_past_runs_at_once(home: Home) -> None:
    before = monotonic()
    home.schedule.put(task(), now() - timedelta(days=2))
    home.ran(1)
    assert monotonic() - before < 0.8


def test_a_task_waits_for_its_time(home: Home) -> None:
    late, soon = task(), task()
    before = monotonic()
    home.schedule.put(late, now() + timedelta(seconds=3 * home.tick))
    home.schedule.put(soon, now() + timedelta(seconds=home.tick))
    assert home.ran(2) == [soon, late]
    first, second = home.function.calls
    assert first.at - before >= home.tick
    assert second.at - before >= 3 * home.tick


def test_every_task_runs_however_many_put_them(home: Home) -> None:
    sent = [[task() for _ in range(10)] for _ in range(8)]

    def put(number: int) -> None:
        for each in sent[number]:
            home.schedule.put(each, now())

    at_once(8, put)
    assert {each.name for each in home.ran(80)} == {each.name for many in sent for each in many}


def test_a_rescue_of_another_generation_runs(home: Home) -> None:
    parcel = submission().parcels[0]
    home.schedule.put(parcel.task(), now())
    home.ran(1)
    home.schedule.put(parcel.task(generation=1), now())
    assert [each.parcels[0].generation for each in home.ran(2)] == [0, 1]


def test_copies_of_a_task_do_no_harm(home: Home) -> None:
    one, other = task(), task()
    at_once(8, lambda _: home.schedule.put(one, now()))
    home.schedule.put(other, now())
    both = {one.name, other.name}
    runs = (home.ran(count) for count in range(2, 10))  # a home that collapses no copies runs nine
    assert any({each.name for each in ran} == both for ran in runs)


def test_what_has_run_may_be_put_again_and_does_no_harm(home: Home) -> None:
    one, other = task(), task()
    home.schedule.put(one, now())
    home.ran(1)
    home.schedule.put(one, now())  # a tombstone may swallow it, and a home without one runs it again
    home.schedule.put(other, now())
    assert other in home.ran(2) or other in home.ran(3)


def test_a_task_that_was_cancelled_and_put_again_under_another_name_runs(home: Home) -> None:
    parcel = submission().parcels[0]
    later = now() + timedelta(hours=1)
    home.schedule.put(parcel.task(), later)
    home.schedule.cancel(parcel.task())
    home.schedule.put(parcel.task(generation=1), now())
    assert [each.parcels[0].generation for each in home.ran(1)] == [1]


def test_to_cancel_what_has_run_or_never_was_does_no_harm(home: Home) -> None:
    one = task()
    home.schedule.put(one, now())
    home.ran(1)
    home.schedule.cancel(one)
    home.schedule.cancel(task())
    home.schedule.put(task(), now())
    home.ran(2)


def test_rescheduled_twice_the_last_time_is_kept(home: Home) -> None:
    parcel = submission().parcels[0]
    home.schedule.put(parcel.task(), now() + timedelta(hours=2))
    home.schedule.put(parcel.task(generation=1), now() + timedelta(hours=1))
    home.schedule.cancel(parcel.task())
    home.schedule.put(parcel.task(generation=2), now())
    assert [each.parcels[0].generation for each in home.ran(1)] == [2]


def test_many_tasks_at_once_are_all_put(home: Home) -> None:
    tasks = [(task(), now()) for _ in range(25)]
    home.schedule.put_many(tasks)
    home.schedule.put_many([])
    assert {each.name for each in home.ran(25)} == {each.name for each, _ in tasks}


def test_a_task_may_be_put_two_months_ahead(home: Home) -> None:
    home.schedule.put(task(), now() + timedelta(days=60))
