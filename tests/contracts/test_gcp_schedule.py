"""What is special to Cloud Tasks: its limits, its tokens, and what is known of a call whose answer was lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.invocation import InvokerToken
from postroom.clouds.gcp.schedule import CloudTasksSchedule
from postroom.delivery.notice import QUEUE, Notice
from postroom.ports import Unavailable
from tests.contracts.function import Function
from tests.contracts.gcp import schedule_in
from tests.contracts.samples import task
from tests.homes.cloudtasks import SERVICE_ACCOUNT, Service, cloudtasks


@pytest.fixture
def function() -> Iterator[Function]:
    with Function() as listening:
        yield listening


@pytest.fixture
def tasks(tmp_path: Path, function: Function) -> Iterator[Service]:
    with cloudtasks(tmp_path, function.url) as service:
        yield service


@pytest.fixture
def schedule(tasks: Service) -> CloudTasksSchedule:
    return schedule_in(tasks, Clients("demo", tasks_endpoint=tasks.endpoint, patience=2.0))


def now() -> datetime:
    return datetime.now(UTC)


def test_a_task_names_its_queue_and_shows_whose_it_is(
    schedule: CloudTasksSchedule, tasks: Service, function: Function
) -> None:
    schedule.put(task("relay"), now())
    (call,) = function.wait_for(1)
    assert call.queue == "relay"
    assert InvokerToken(tasks.tasks.url, SERVICE_ACCOUNT, tasks.certs_url)(call.headers["Authorization"]) is None
    (created,) = tasks.tasks.created
    assert created["dispatchDeadline"] == "900s"
    assert "scheduleTime" not in created, "what is due already has no time to wait for"


def test_what_webhooks_are_told_goes_to_a_function_of_its_own(tmp_path: Path, function: Function) -> None:
    with Function() as telling, cloudtasks(tmp_path, function.url, telling.url) as tasks:
        schedule = CloudTasksSchedule(
            Clients("demo", tasks_endpoint=tasks.endpoint, patience=2.0),
            lambda traffic: f"projects/demo/locations/here/queues/postroom-{traffic}",
            urls=lambda traffic: telling.url if traffic == QUEUE else function.url,
            service_account=SERVICE_ACCOUNT,
            dispatch_deadline=timedelta(minutes=15),
        )
        notice, delivery = Notice("a webhook"), task()
        schedule.put_many([(notice, now()), (delivery, now())])
        ((told,), (carried,)) = telling.wait_for(1), function.wait_for(1)
        assert (told.name, carried.name) == (notice.name, delivery.name)
        assert InvokerToken(telling.url, SERVICE_ACCOUNT, tasks.certs_url)(told.headers["Authorization"]) is None


def test_a_task_further_ahead_than_cloud_tasks_takes_one_comes_early(
    schedule: CloudTasksSchedule, tasks: Service
) -> None:
    schedule.put(task(), now() + timedelta(days=60))
    (created,) = tasks.tasks.created
    ahead = datetime.fromisoformat(created["scheduleTime"]) - now()
    assert timedelta(days=28) < ahead < timedelta(days=30)


def test_a_task_whose_answer_was_lost_is_put_once(
    schedule: CloudTasksSchedule, tasks: Service, function: Function
) -> None:
    one, other = task(), task()
    tasks.tasks.answers_to_lose = 1
    with pytest.raises(Unavailable, match="Cloud Tasks"):
        schedule.put(one, now())
    schedule.put(one, now())
    schedule.put(other, now())
    assert {call.name for call in function.wait_for(2)} == {one.name, other.name}
    assert len(tasks.tasks.created) == 2


def test_many_tasks_are_put_at_once_copies_among_them(schedule: CloudTasksSchedule, function: Function) -> None:
    many = [task() for _ in range(60)]
    schedule.put(many[0], now())
    schedule.put_many([(each, now()) for each in [*many, many[0]]])
    schedule.put_many([])
    assert {call.name for call in function.wait_for(60)} == {each.name for each in many}


def test_many_tasks_of_which_one_can_not_be_put_are_told_of(schedule: CloudTasksSchedule, tasks: Service) -> None:
    tasks.tasks.answers_to_lose = 1
    with pytest.raises(Unavailable, match="Cloud Tasks"):
        schedule.put_many([(task(), now()) for _ in range(5)])


def test_a_task_that_is_cancelled_does_not_run(schedule: CloudTasksSchedule, function: Function) -> None:
    one, other = task(), task()
    schedule.put(one, now() + timedelta(seconds=0.3))
    schedule.cancel(one)
    schedule.cancel(task())  # one that is nowhere
    schedule.put(other, now() + timedelta(seconds=0.4))
    assert [call.name for call in function.wait_for(1)] == [other.name]


def test_a_task_that_cloud_tasks_does_not_take_is_told_of(tasks: Service) -> None:
    clients = Clients("demo", tasks_endpoint=tasks.endpoint)
    unknown = CloudTasksSchedule(
        clients,
        lambda traffic: f"projects/demo/locations/here/queues/{traffic}",
        urls=lambda _: tasks.tasks.url,
        service_account="somebody@else.example",
        dispatch_deadline=timedelta(minutes=15),
    )
    with pytest.raises(Unavailable, match="service account"):
        unknown.put(task(), now())


def test_a_cloud_tasks_that_is_not_there_is_unavailable() -> None:
    with Function() as gone:
        url = gone.url
    clients = Clients("demo", tasks_endpoint=url.rstrip("/"), patience=1.0)
    schedule = CloudTasksSchedule(
        clients,
        lambda traffic: f"projects/demo/locations/here/queues/{traffic}",
        urls=lambda _: url,
        service_account=SERVICE_ACCOUNT,
        dispatch_deadline=timedelta(minutes=15),
    )
    with pytest.raises(Unavailable, match="Cloud Tasks"):
        schedule.put(task(), now())
    with pytest.raises(Unavailable, match="Cloud Tasks"):
        schedule.cancel(task())
