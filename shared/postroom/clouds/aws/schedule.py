"""The schedule: SQS for what is due within its fifteen minutes, EventBridge Scheduler for what is due later.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from postroom.clouds.aws.clients import Clients, code_of, reaching
from postroom.clouds.clock import now
from postroom.ports import Task, Unavailable

LONGEST_DELAY = 900  # seconds that SQS holds a message back
BATCH = 10  # messages in one call


class SqsSchedule:
    """Implements `Schedule`. Standard queues: nothing is collapsed there, and the claim sorts copies out.

    `queues` gives the URL of a traffic class's queue, which lies in the region that we run in. EventBridge Scheduler
    keeps its schedules in the group `scheduler_group`, and sends to the queues in the role `scheduler_role_arn`.
    """

    def __init__(
        self,
        clients: Clients,
        queues: Callable[[str], str],
        *,
        scheduler_role_arn: str,
        scheduler_group: str,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._clients = clients
        self._queues = queues
        self._role = scheduler_role_arn
        self._group = scheduler_group
        self._clock = clock

    def put(self, task: Task, not_before: datetime) -> None:
        delay = self._delay(not_before)
        if delay > LONGEST_DELAY:
            self._put_later(task, not_before)
            return
        queue = self._queues(task.queue)
        with reaching(f"the queue {queue}"):
            self._clients.sqs().send_message(QueueUrl=queue, MessageBody=task.body().decode(), DelaySeconds=delay)

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        soon: dict[str, list[dict[str, Any]]] = {}
        for task, not_before in tasks:
            delay = self._delay(not_before)
            if delay > LONGEST_DELAY:
                self._put_later(task, not_before)
            else:
                entries = soon.setdefault(self._queues(task.queue), [])
                entries.append({"MessageBody": task.body().decode(), "DelaySeconds": delay})
        for queue, entries in soon.items():
            for start in range(0, len(entries), BATCH):
                self._send(queue, entries[start : start + BATCH])

    def cancel(self, task: Task) -> None:
        """Best effort: what SQS holds already can't be taken back."""
        from botocore.exceptions import ClientError

        with reaching(f"the schedule group {self._group}"):
            try:
                self._clients.scheduler().delete_schedule(Name=task.name, GroupName=self._group)
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise

    def _delay(self, not_before: datetime) -> int:
        """Whole seconds from now, rounded up: never early."""
        return max(0, math.ceil((not_before - self._clock()).total_seconds()))

    def _send(self, queue: str, entries: Sequence[dict[str, Any]]) -> None:
        """Send at most `BATCH` messages, and once more those that the queue didn't take."""
        left = [{"Id": str(number), **entry} for number, entry in enumerate(entries)]
        for _ in range(2):
            with reaching(f"the queue {queue}"):
                answer = self._clients.sqs().send_message_batch(QueueUrl=queue, Entries=left)
            failed = {each["Id"]: each.get("Message") or each.get("Code") for each in answer.get("Failed", ())}
            left = [entry for entry in left if entry["Id"] in failed]
            if not left:
                return
        raise Unavailable(f"the queue {queue} didn't take {len(left)} of {len(entries)} tasks: {failed}")

    def _put_later(self, task: Task, not_before: datetime) -> None:
        from botocore.exceptions import ClientError

        # `at` takes whole seconds, and a time that is rounded down would come early.
        at = not_before.astimezone(UTC) + timedelta(seconds=1, microseconds=-1)
        with reaching(f"the schedule group {self._group}"):
            try:
                self._clients.scheduler().create_schedule(
                    Name=task.name,
                    GroupName=self._group,
                    ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
                    ScheduleExpressionTimezone="UTC",
                    FlexibleTimeWindow={"Mode": "OFF"},
                    ActionAfterCompletion="DELETE",
                    Target={"Arn": self._arn(task.queue), "RoleArn": self._role, "Input": task.body().decode()},
                )
            except ClientError as error:
                if code_of(error) != "ConflictException":  # the same task is waiting already
                    raise

    def _arn(self, traffic_class: str) -> str:
        """The name by which EventBridge Scheduler knows the queue that `queues` knows by its URL."""
        account, name = self._queues(traffic_class).rsplit("/", 2)[1:]
        here = self._clients.sqs().meta
        return f"arn:{here.partition}:sqs:{here.region_name}:{account}:{name}"
