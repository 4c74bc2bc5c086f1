"""The home on AWS, played by moto: tasks come by the pollers through the worker's own face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from postroom.clouds.aws.counters import DynamoCounters
from postroom.clouds.aws.directory import DynamoDirectory
from postroom.clouds.aws.invocation import task_handler
from postroom.clouds.aws.schedule import SqsSchedule
from postroom.clouds.aws.submissions import DynamoSubmissions
from postroom.delivery.task import DeliveryTask
from postroom.ports import Unavailable
from tests.contracts.function import Function
from tests.contracts.homes import Home
from tests.homes.moto import Deployment, deployed, missing
from tests.homes.pollers import Poller


@contextmanager
def aws(_: Path) -> Iterator[Home]:
    if absent := missing():
        pytest.skip(absent)
    with deployed() as deployment, Function() as function:
        handler = task_handler(lambda: pushing(function.url), deployment.clients, DeliveryTask.from_body)
        with Poller(deployment.clients, deployment.queue("mx"), handler):
            yield Home(
                DynamoSubmissions(deployment.clients, deployment.name, deployment.name),
                DynamoDirectory(deployment.clients, deployment.name),
                schedule(deployment),
                function,
                DynamoCounters(deployment.clients, deployment.name),
                tick=1.0,  # SQS counts whole seconds
            )


def schedule(deployment: Deployment) -> SqsSchedule:
    return SqsSchedule(
        deployment.clients, deployment.queue, scheduler_role_arn=deployment.role, scheduler_group=deployment.name
    )


def pushing(url: str) -> Callable[[DeliveryTask], None]:
    """A worker that posts each task to the function at `url`."""
    parts = urlsplit(url)

    def push(task: DeliveryTask) -> None:
        connection = HTTPConnection(str(parts.hostname), parts.port)
        headers = {"X-CloudTasks-QueueName": task.queue, "X-CloudTasks-TaskName": task.name}
        with closing(connection):
            connection.request("POST", "/", task.body(), headers)
            status = connection.getresponse().status
        if status != 200:
            raise Unavailable(f"the function answered {status}")

    return push
