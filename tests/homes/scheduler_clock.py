"""EventBridge Scheduler's clock, which moto hasn't: sends the targets' inputs when their time has come."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from postroom.clouds.aws.clients import Clients, reaching
from postroom.ports import Unavailable

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")


def ring(clients: Clients, group: str, now: datetime | None = None) -> int:
    """Run the one-time schedules of the group that are due at `now`, and delete them. How many these were."""
    due = [schedule for schedule in schedules(clients, group) if at(schedule) <= (now or datetime.now(UTC))]
    for schedule in due:
        target = schedule["Target"]
        clients.sqs().send_message(QueueUrl=queue_of(clients, target["Arn"]), MessageBody=target["Input"])
        if schedule["ActionAfterCompletion"] == "DELETE":
            with suppress(Unavailable), reaching("the schedule"):  # it was cancelled meanwhile
                clients.scheduler().delete_schedule(Name=schedule["Name"], GroupName=group)
    return len(due)


def schedules(clients: Clients, group: str) -> list[dict[str, Any]]:
    """The group's schedules with all that is known of them."""
    scheduler = clients.scheduler()
    found = []
    for page in scheduler.get_paginator("list_schedules").paginate(GroupName=group):
        for each in page["Schedules"]:
            with suppress(Unavailable), reaching("the schedule"):  # it was cancelled meanwhile
                found.append(scheduler.get_schedule(Name=each["Name"], GroupName=group))
    return found


def at(schedule: dict[str, Any]) -> datetime:
    written = _AT.fullmatch(schedule["ScheduleExpression"])
    assert written is not None, schedule["ScheduleExpression"]
    assert schedule["ScheduleExpressionTimezone"] == "UTC"
    return datetime.fromisoformat(written[1]).replace(tzinfo=UTC)


def queue_of(clients: Clients, arn: str) -> str:
    """The URL of a queue."""
    account, name = arn.split(":")[4:]
    return f"{clients.sqs().meta.endpoint_url}/{account}/{name}"
