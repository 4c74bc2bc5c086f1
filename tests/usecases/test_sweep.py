"""The second net: whatever the queue lost moves again, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from postroom.delivery.routes_file import parse_routes
from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from postroom.ports import Task, Unavailable
from postroom.sweep import PROBES, Sweep, Swept
from tests.usecases.office import FakeSchedule, UseCases, deferred

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def sweep(office: UseCases) -> Sweep:
    return office.sweep


def notes(office: UseCases) -> list[str]:
    """The ids that are noted for later."""
    return [each for _, note in office.directory.list("sweep_note") for each in note["submissions"]]


def test_a_letter_without_a_task_is_put_back(office: UseCases, sweep: Sweep) -> None:
    letter = office.submit()
    office.schedule.put_.clear()  # the queue lost it
    office.now += 9 * MINUTE
    assert sweep().put_back == 0, "it may still be on its way"
    office.now += 2 * MINUTE
    assert sweep() == Swept(walked=1, put_back=1)
    task, at = office.schedule.take()
    assert at == office.now
    office.deliver(task)
    assert office.statuses(letter) == ["delivered"]


def test_the_rescue_has_a_name_of_its_own(office: UseCases, sweep: Sweep) -> None:
    office.submit()
    lost, _ = office.schedule.take()
    names = {lost.name}
    for _ in range(3):
        office.now += HOUR + 10 * MINUTE
        assert sweep().put_back == 1
        task, _ = office.schedule.take()
        names.add(task.name)
    assert len(names) == 4, "no tombstone swallows it"


def test_what_is_done_is_met_once_and_never_again(office: UseCases, sweep: Sweep) -> None:
    for _ in range(3):
        office.submit()
        office.deliver(office.schedule.take()[0])
    office.now += HOUR
    assert sweep() == Swept(walked=3)
    assert sweep() == Swept()
    assert notes(office) == []


def test_what_is_due_later_is_noted_and_followed_once_it_is_late(office: UseCases, sweep: Sweep) -> None:
    office.wire.judge = deferred
    letter = office.submit()
    office.deliver(office.schedule.take()[0])
    office.now += 10 * MINUTE + MINUTE / 2
    office.schedule.put_.clear()  # and the second attempt's task is lost
    assert sweep() == Swept(walked=1), "it is 9 and a half minutes late"
    assert notes(office) == [letter.id]
    office.now += 10 * MINUTE
    office.wire.judge = type(office.wire)().judge
    assert sweep() == Swept(followed=1, put_back=1)
    office.deliver(office.schedule.take()[0])
    assert office.statuses(letter) == ["delivered"]
    office.now += 2 * HOUR
    assert sweep() == Swept(followed=1)
    assert notes(office) == []


def test_a_living_claim_is_left_alone_and_a_dead_one_taken_over(office: UseCases, sweep: Sweep) -> None:
    letter = office.submit()
    task, _ = office.schedule.take()
    office.die_with(task)
    office.now += 11 * MINUTE  # the lease lasts 14
    assert sweep() == Swept(walked=1)
    office.now += 20 * MINUTE
    assert sweep() == Swept(followed=1, put_back=1)
    office.deliver(office.schedule.take()[0])
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["abandoned", "accepted"]


def test_a_queue_that_is_far_behind_is_not_flooded(office: UseCases, sweep: Sweep) -> None:
    office.submit()
    office.schedule.put_.clear()
    for _ in range(24 * 6):
        office.now += 10 * MINUTE
        sweep()
    assert len(office.schedule.put_) <= 24, "a copy an hour at most"


def test_of_many_without_a_task_all_are_put_back_as_soon_as_the_first_have_run(office: UseCases, sweep: Sweep) -> None:
    """As the letters of a batch are whose tasks were lost together."""
    letters = [office.submit(f"r{number}@example.net") for number in range(4 * PROBES)]
    office.schedule.put_.clear()
    for _ in range(4):
        office.now += 12 * MINUTE
        sweep()
        for task, _ in office.schedule.put_:
            office.deliver(task)
        office.schedule.put_.clear()
    assert [office.statuses(each) for each in letters] == [["delivered"]] * len(letters)
    assert len(office.wire.carried) == len(letters)


def test_every_parcel_of_a_letter_is_looked_at(office: UseCases, sweep: Sweep) -> None:
    letter = office.submit("a@example.net", "b@example.org", "c@example.com")
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    office.deliver(tasks[1])
    office.now += HOUR
    assert sweep().put_back == 2
    for task, _ in office.schedule.put_:
        office.deliver(task)
    assert office.statuses(letter) == ["delivered"] * 3


def test_two_sweeps_at_once_do_no_harm(office: UseCases, sweep: Sweep) -> None:
    letter = office.submit()
    office.schedule.put_.clear()
    office.now += HOUR
    other = replace(office.sweep, identify=lambda: "the other")
    before = office.directory.get("sweep", "mark")
    sweep()
    assert before is None
    office.directory.delete("sweep", "mark")  # the other began before this one ended
    other()
    first, second = (task for task, _ in office.schedule.put_)
    assert first.name == second.name
    office.deliver(first)
    office.deliver(second)
    assert office.statuses(letter) == ["delivered"]
    assert len(office.wire.carried) == 1
    office.now += 2 * HOUR
    assert sweep().followed == 1, "it was noted twice, and is followed once"


def test_a_run_that_is_cut_short_goes_on_in_the_next(office: UseCases) -> None:
    for _ in range(450):
        office.submit()
    office.schedule.put_.clear()
    office.now += HOUR
    ticks = iter(range(1000))
    short = replace(office.sweep, seconds=4.0, monotonic=lambda: float(next(ticks)))
    first = short()
    assert (first.walked, first.caught_up) == (200, False)
    assert office.sweep() == Swept(walked=250)
    assert first.put_back == len(office.schedule.put_) == PROBES, "probes: the queue may only be behind"
    assert len(notes(office)) == 450


def test_what_the_home_can_not_do_is_done_by_the_next_run(office: UseCases, sweep: Sweep) -> None:
    office.submit()
    office.schedule.put_.clear()
    office.now += HOUR
    office.schedule.down = Unavailable("the queue is away")
    with pytest.raises(Unavailable):
        sweep()
    office.schedule.down = None
    office.now += 20 * MINUTE
    assert sweep() == Swept(followed=1, put_back=1)


def test_one_queue_that_is_away_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    table = '[[route]]\nmatch = "*.org"\nvia = "smtp://relay.example"\nclass = "away"\n[[route]]\nvia = "mx"'
    office = UseCases(tmp_path, parse_routes(table, {}))
    letters = [office.submit(f"{n}@example.{top}") for n in range(3) for top in ("net", "org")]
    office.schedule.put_.clear()
    asked = []

    class OneAway(FakeSchedule):
        def put(self, task: Task, not_before: datetime) -> None:
            if task.queue == "away":
                asked.append(task)
                raise Unavailable("there is no such queue")
            office.schedule.put(task, not_before)

    sweep = replace(office.sweep, schedule=OneAway())
    office.now += HOUR
    for _ in range(5):
        with pytest.raises(Unavailable, match="no such queue"):
            sweep()
        office.now += 20 * MINUTE
    put = [task.parcels[0].submission for task, _ in office.schedule.put_]
    assert set(put) == {each.id for each in letters[::2]}
    assert len(put) <= 6, "and no copies are bred meanwhile"
    assert len(asked) == 5, "nor is it asked for each letter"
    office.close()


def test_what_was_taken_back_is_left_alone(office: UseCases, sweep: Sweep) -> None:
    letter = office.submit()
    office.schedule.put_.clear()
    assert office.deliver.claims.cancel(letter.id, 0, office.now) is not None
    office.now += HOUR
    assert sweep() == Swept(walked=1)
    assert office.stored(letter).recipients[0].status is Status.CANCELED


def lost(office: UseCases, count: int) -> list[Submission]:
    """Letters that were taken, one a second, and whose tasks the queue has lost."""
    letters = []
    for _ in range(count):
        letters.append(office.submit())
        office.now += timedelta(seconds=1)
    office.schedule.put_.clear()
    return letters


def test_what_a_queue_lost_while_it_went_on_is_put_back_at_once(office: UseCases, sweep: Sweep) -> None:
    missing = lost(office, 30)
    office.now += 15 * MINUTE
    office.submit()
    office.deliver(office.schedule.take()[0])  # a later one ran: those before it are lost
    office.now += 11 * MINUTE
    assert sweep().put_back == PROBES, "the walk meets the old ones first, and can't know yet"
    office.now += HOUR + 10 * MINUTE
    assert sweep().put_back == 30, "all, those that are out among them"
    assert {task.parcels[0].submission for task, _ in office.schedule.put_} == {each.id for each in missing}


def test_what_a_queue_lost_all_at_once_is_put_back_once_the_probes_have_run(office: UseCases, sweep: Sweep) -> None:
    letters = lost(office, 60)
    office.now += 15 * MINUTE
    assert sweep().put_back == PROBES
    for _ in range(PROBES):
        task, _ = office.schedule.put_.pop(0)
        office.deliver(task)
    office.now += 10 * MINUTE
    assert sweep() == Swept(), "they are looked at again within the hour"
    office.now += HOUR
    assert sweep().put_back == 60 - PROBES
    while office.schedule.put_:
        office.deliver(office.schedule.put_.pop(0)[0])
    assert {office.statuses(each)[0] for each in letters} == {"delivered"}


def test_a_queue_with_a_rate_that_is_hours_behind_recovers(office: UseCases, sweep: Sweep) -> None:
    """Two letters a minute come in at first, the queue carries one a minute, and copies would cost as much."""
    carried = office.wire.carried
    runs = 0
    for minute in range(12 * 60):
        office.now += MINUTE
        if minute < 3 * 60:
            office.submit()
            office.submit()
        if office.schedule.put_:
            runs += 1
            office.deliver(office.schedule.put_.pop(0)[0])
        if minute % 10 == 0:
            sweep()
    assert len(carried) == 6 * 60, "every letter, once"
    assert office.schedule.put_ == []
    assert runs < 6 * 60 * 1.5, "and few copies: a queue of a more usual rate hardly notices them"


def test_a_mark_that_a_wrong_clock_set_is_taken_back(office: UseCases, sweep: Sweep) -> None:
    office.now += timedelta(days=90)
    office.submit()
    office.deliver(office.schedule.take()[0])
    office.now += 11 * MINUTE
    sweep()
    office.now -= timedelta(days=90)
    lost(office, 1)
    office.now += 15 * MINUTE
    assert sweep().put_back == 1
