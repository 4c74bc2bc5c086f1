"""What is particular to the schedule on AWS: SQS for fifteen minutes, EventBridge Scheduler beyond."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from postroom.clouds.aws.schedule import SqsSchedule
from postroom.delivery.task import DeliveryTask
from postroom.ports import Unavailable
from tests.contracts.samples import NOON, task
from tests.homes.moto import Deployment, deployed, missing
from tests.homes.scheduler_clock import at, ring, schedules

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SECOND = timedelta(seconds=1)


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with deployed() as made:
        yield made


@pytest.fixture
def schedule(deployment: Deployment) -> SqsSchedule:
    return SqsSchedule(
        deployment.clients,
        deployment.queue,
        scheduler_role_arn=deployment.role,
        scheduler_group=deployment.name,
        clock=lambda: NOON,
    )


@contextmanager
def spying(deployment: Deployment, call: str) -> Iterator[list[dict[str, Any]]]:
    """The parameters of each such call of SQS."""
    seen: list[dict[str, Any]] = []
    events = deployment.clients.sqs().meta.events

    def note(params: dict[str, Any], **_: Any) -> None:
        seen.append(params)

    events.register(f"before-parameter-build.sqs.{call}", note, unique_id="spy")
    try:
        yield seen
    finally:
        events.unregister(f"before-parameter-build.sqs.{call}", unique_id="spy")


def waiting(deployment: Deployment, queue: str = "mx") -> list[DeliveryTask]:
    """The tasks in the queue that may run now."""
    found = []
    while (
        messages := deployment.clients.sqs()
        .receive_message(QueueUrl=deployment.queue(queue), MaxNumberOfMessages=10)
        .get("Messages")
    ):
        found += [DeliveryTask.from_body(message["Body"].encode()) for message in messages]
    return found


@pytest.mark.parametrize(
    ("ahead", "delay"),
    [(-86400, 0), (0, 0), (0.001, 1), (1, 1), (1.5, 2), (899.2, 900), (900, 900)],
)
def test_up_to_fifteen_minutes_ahead_sqs_holds_the_task(
    deployment: Deployment, schedule: SqsSchedule, ahead: float, delay: int
) -> None:
    with spying(deployment, "SendMessage") as seen:
        schedule.put(task(), NOON + ahead * SECOND)
    assert [each["DelaySeconds"] for each in seen] == [delay]
    assert schedules(deployment.clients, deployment.name) == []


@pytest.mark.parametrize("ahead", [900.001, 901, 86400.5, 30 * 86400])
def test_beyond_that_eventbridge_scheduler_does(deployment: Deployment, schedule: SqsSchedule, ahead: float) -> None:
    late = task()
    schedule.put(late, NOON + ahead * SECOND)
    (made,) = schedules(deployment.clients, deployment.name)
    assert made["Name"] == late.name
    assert 0 * SECOND <= at(made) - (NOON + ahead * SECOND) < SECOND
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert made["ActionAfterCompletion"] == "DELETE"
    assert made["Target"]["RoleArn"] == deployment.role
    assert made["Target"]["Arn"] == deployment.arn("mx")
    assert waiting(deployment) == []
    assert ring(deployment.clients, deployment.name, at(made) - SECOND) == 0
    assert ring(deployment.clients, deployment.name, at(made)) == 1
    assert waiting(deployment) == [late]
    assert schedules(deployment.clients, deployment.name) == []


def test_a_copy_of_what_waits_for_long_is_swallowed(deployment: Deployment, schedule: SqsSchedule) -> None:
    late = task()
    for _ in range(2):
        schedule.put(late, NOON + timedelta(hours=1))
    assert len(schedules(deployment.clients, deployment.name)) == 1


def test_what_waits_for_long_can_be_cancelled_and_what_is_gone_too(
    deployment: Deployment, schedule: SqsSchedule
) -> None:
    late, soon = task(), task()
    schedule.put(late, NOON + timedelta(hours=1))
    schedule.put(soon, NOON)
    for each in (late, soon, late):
        schedule.cancel(each)
    assert schedules(deployment.clients, deployment.name) == []
    assert waiting(deployment) == [soon]


def test_many_are_put_ten_at_a_time_each_into_its_queue(deployment: Deployment, schedule: SqsSchedule) -> None:
    many = [(task("mx"), NOON) for _ in range(25)] + [(task("relay"), NOON) for _ in range(5)]
    late = task("relay")
    with spying(deployment, "SendMessageBatch") as seen:
        schedule.put_many([*many, (late, NOON + timedelta(hours=2))])
    assert [len(each["Entries"]) for each in seen] == [10, 10, 5, 5]
    names = {queue: {each.name for each in waiting(deployment, queue)} for queue in ("mx", "relay")}
    assert names == {queue: {each.name for each, _ in many if each.queue == queue} for queue in names}
    (made,) = schedules(deployment.clients, deployment.name)
    assert made["Target"]["Input"].encode() == late.body()
    schedule.put_many([])


@contextmanager
def refusing(deployment: Deployment, times: int) -> Iterator[None]:
    """SQS says of the first message of each of so many batches that it couldn't take it."""
    left = [times]

    def refuse(parsed: dict[str, Any], **_: Any) -> None:
        if left[0]:
            left[0] -= 1
            refused = parsed["Successful"].pop(0)
            parsed["Failed"] = [{"Id": refused["Id"], "Code": "InternalError", "SenderFault": False}]

    events = deployment.clients.sqs().meta.events
    events.register("after-call.sqs.SendMessageBatch", refuse, unique_id="refusing")
    try:
        yield
    finally:
        events.unregister("after-call.sqs.SendMessageBatch", unique_id="refusing")


def test_what_a_batch_left_out_is_sent_once_more(deployment: Deployment, schedule: SqsSchedule) -> None:
    with spying(deployment, "SendMessageBatch") as seen, refusing(deployment, 1):
        schedule.put_many([(task(), NOON)] * 3)
    assert [len(each["Entries"]) for each in seen] == [3, 1]


def test_what_is_left_out_twice_is_told(deployment: Deployment, schedule: SqsSchedule) -> None:
    with refusing(deployment, 2), pytest.raises(Unavailable, match="1 of 3"):
        schedule.put_many([(task(), NOON)] * 3)


def test_a_queue_that_is_not_there_is_unavailable_and_named(deployment: Deployment) -> None:
    nowhere = SqsSchedule(
        deployment.clients,
        lambda traffic_class: f"{deployment.queue('mx')}-{traffic_class}",
        scheduler_role_arn=deployment.role,
        scheduler_group="no-such-group",
        clock=lambda: NOON,
    )
    with pytest.raises(Unavailable, match="mx-missing"):
        nowhere.put(task("missing"), NOON)
    with pytest.raises(Unavailable, match="mx-missing"):
        nowhere.put_many([(task("missing"), NOON)])
    with pytest.raises(Unavailable, match="no-such-group"):
        nowhere.put(task(), NOON + timedelta(days=1))
