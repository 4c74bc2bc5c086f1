"""The schedule in Cloud Tasks: a task that is pushed to the worker function over HTTP, and shows whose it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from postroom.at_once import at_once
from postroom.clouds.clock import now
from postroom.clouds.gcp.clients import Clients, told_as_unavailable
from postroom.ports import Task

FURTHEST = timedelta(days=29)
"""Cloud Tasks takes a task at most 30 days ahead. A task that comes early puts itself right."""


class CloudTasksSchedule:
    """Implements `Schedule` over Cloud Tasks.

    `queues` names the queue of a traffic class, such as projects/P/locations/L/queues/Q. A task is pushed to the URL
    that `urls` names for its class, with an OIDC token of the service account of that e-mail address, which is made for
    that URL. `dispatch_deadline` is how long the function may take to answer, 15 seconds to 30 minutes.

    `put_many` makes one call a task, several at once. A batch would be one call, but that only begins an operation
    which has to be asked about until it is over, and which is partly a failure where one name was used before.
    """

    def __init__(
        self,
        clients: Clients,
        queues: Callable[[str], str],
        *,
        urls: Callable[[str], str],
        service_account: str,
        dispatch_deadline: timedelta,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._clients = clients
        self._queues = queues
        self._urls = urls
        self._service_account = service_account
        self._deadline = dispatch_deadline
        self._clock = clock

    def put(self, task: Task, not_before: datetime) -> None:
        from google.api_core.exceptions import Conflict
        from google.cloud import tasks_v2

        now = self._clock()
        queue, url = self._queues(task.queue), self._urls(task.queue)
        pushed = tasks_v2.HttpRequest(
            url=url,
            http_method=tasks_v2.HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=task.body(),
            oidc_token=tasks_v2.OidcToken(service_account_email=self._service_account, audience=url),
        )
        wanted = tasks_v2.Task(
            name=_name(queue, task),
            http_request=pushed,
            dispatch_deadline=self._deadline,
            schedule_time=min(not_before, now + FURTHEST) if not_before > now else None,
        )
        with told_as_unavailable(f"a task can't be put into {queue} of Cloud Tasks"):
            client = self._clients.tasks()
            with suppress(Conflict):  # the name is taken: by a copy, or by our own first try
                client.create_task(
                    parent=queue, task=wanted, retry=self._clients.again(), timeout=self._clients.patience
                )

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        at_once(lambda each: self.put(*each), tasks)

    def cancel(self, task: Task) -> None:
        from google.api_core.exceptions import NotFound

        queue = self._queues(task.queue)
        with told_as_unavailable(f"a task can't be taken out of {queue} of Cloud Tasks"):
            client = self._clients.tasks()
            with suppress(NotFound):  # it has run
                client.delete_task(name=_name(queue, task), retry=self._clients.again(), timeout=self._clients.patience)


def _name(queue: str, task: Task) -> str:
    return f"{queue}/tasks/{task.name}"
