"""Parcels for one next hop that are due at one time share tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status
from postroom.delivery.task import DeliveryTask
from postroom.delivery.together import together

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def parcel(number: int, destination: str = "example.net") -> Parcel:
    recipient = Recipient(address=f"bob@{destination}", kind="to", status=Status.QUEUED, updated_at=NOON)
    return Parcel(
        submission=SubmissionId(f"id-{number}"),
        number=0,
        route="mx",
        destination=destination,
        queue="default",
        recipients=(recipient,),
    )


def test_one_parcel_is_the_task_that_it_would_put_itself() -> None:
    assert together([(parcel(1), NOON)]) == [(parcel(1).task(), NOON)]
    assert together([]) == []


@pytest.mark.parametrize(
    ("parcels", "shares"),
    [(2, [2]), (20, [20]), (21, [11, 10]), (40, [20, 20]), (41, [14, 14, 13]), (500, [20] * 25)],
)
def test_few_tasks_of_one_size_carry_them_all(parcels: int, shares: list[int]) -> None:
    tasks = together([(parcel(number), NOON) for number in range(parcels)])
    assert [len(task.parcels) for task, _ in tasks] == shares
    assert [ref.submission for task, _ in tasks for ref in task.parcels] == [f"id-{n}" for n in range(parcels)]
    assert len({task.name for task, _ in tasks}) == len(shares)


def test_whatever_differs_goes_by_itself() -> None:
    later = NOON + timedelta(minutes=1)
    first = parcel(1)
    others = [
        parcel(2, "example.org"),
        replace(parcel(3), route="relay"),
        replace(parcel(4), queue="slow"),
    ]
    tasks = together([*((each, NOON) for each in (first, *others)), (parcel(5), later), (parcel(6), NOON)])
    assert [[ref.submission for ref in task.parcels] for task, _ in tasks] == [
        ["id-1", "id-6"],
        ["id-2"],
        ["id-3"],
        ["id-4"],
        ["id-5"],
    ]
    assert [at for _, at in tasks] == [NOON] * 4 + [later]
    assert [task.destination for task, _ in tasks] == ["example.net", "example.org"] + ["example.net"] * 3


def test_where_letters_are_counted_each_has_a_task_of_its_own() -> None:
    slow = [replace(parcel(number), queue="slow") for number in range(3)]
    tasks = together([(each, NOON) for each in (*slow, parcel(7), parcel(8))], rated={"slow"})
    assert [(task.queue, len(task.parcels)) for task, _ in tasks] == [("slow", 1)] * 3 + [("default", 2)]


def test_the_largest_body_is_far_below_what_any_queue_takes() -> None:
    ids = [SubmissionId(f"8ef7dd4c-5d0f-4a3b-9b39-{number:012}") for number in range(20)]
    far = [replace(parcel(0, f"{'x' * 60}." * 4 + "example"), submission=each, claim=10**6) for each in ids]
    ((task, _),) = together([(each, NOON) for each in far])
    assert len(task.body()) < 2048
    assert DeliveryTask.from_body(task.body()) == task
