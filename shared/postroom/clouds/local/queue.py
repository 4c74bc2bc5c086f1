"""The task queue in SQLite: what has to run, when, and what ran within the hour."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection

from postroom.clouds.local.database import Database
from postroom.delivery.notice import Notice, read_queued
from postroom.delivery.record import microseconds, moment

TOMBSTONE = timedelta(hours=1)
"""How long a name stays taken after its task has run."""

_PURGE = 500  # old tombstones that one write clears away at most


@dataclass(frozen=True, slots=True)
class Task:
    """One task that waits, and how often it was tried."""

    number: int
    name: str
    queue: str
    body: bytes
    not_before: datetime
    retries: int = 0
    executions: int = 0  # answers it got, those of 5xx not counted
    response: int | None = None
    reason: str | None = None
    destination: str | None = None

    @property
    def letters(self) -> int:
        """How many it carries; of a notice, how many letters and events it tells of."""
        try:
            queued = read_queued(self.body)
        except ValueError:  # of another function's
            return 1
        return len(queued.parcels) + (len(queued.events) if isinstance(queued, Notice) else 0)


@dataclass(frozen=True, slots=True)
class Retry:
    """A task that is to be tried again, and why."""

    task: Task
    not_before: datetime
    response: int | None
    reason: str


class Queue:
    """The tasks of all queues. Every method raises `Unavailable` where the database can't be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, tasks: Sequence[tuple[str, str, bytes, datetime, str | None]], now: datetime) -> int:
        """Keep tasks of (queue, name, body, not before, destination) until they have run.

        How many are new. The destination is whom a task may keep waiting, where there is one.

        A task of the same name that is waiting, running or was run within the hour swallows a later one.

        It isn't flushed: where a failure of the power undoes it, the parcels that it is for are open and have no task,
        and those the sweep looks for.
        """
        return self._database.write(self.putting(tasks, now), durable=False)

    def putting(
        self, tasks: Sequence[tuple[str, str, bytes, datetime, str | None]], now: datetime
    ) -> Callable[[Connection], int]:
        """What `put` does, for a transaction that does more."""
        old = microseconds(now - TOMBSTONE)
        rows = [
            (name, queue, body, microseconds(not_before), destination, old)
            for queue, name, body, not_before, destination in tasks
        ]

        def insert(connection: Connection) -> int:
            added = connection.executemany(
                """INSERT INTO tasks (name, queue, body, not_before, destination) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, body = excluded.body,
                       not_before = excluded.not_before, destination = excluded.destination,
                       retries = 0, executions = 0, response = NULL, reason = NULL, done_at = NULL
                   WHERE done_at <= ?""",
                rows,
            )
            return added.rowcount

        return insert

    def names(self) -> list[str]:
        """The queues that have tasks waiting."""
        # Each step jumps to the next name in the index, however many tasks there are.
        rows = self._database.read(
            """WITH RECURSIVE names (queue) AS (
                   SELECT min(queue) FROM tasks WHERE done_at IS NULL
                   UNION ALL
                   SELECT (SELECT min(queue) FROM tasks WHERE done_at IS NULL AND queue > names.queue)
                   FROM names WHERE names.queue IS NOT NULL
               )
               SELECT queue FROM names WHERE queue IS NOT NULL"""
        )
        return [queue for (queue,) in rows]

    def due(self, queue: str, now: datetime, limit: int, without: Sequence[str] = ()) -> list[Task]:
        """The first `limit` tasks whose time has come, the earliest first; none for the destinations of `without`."""
        # However many of theirs there are, passing them over takes no more than the index.
        passed_over = "AND ifnull(destination, '') NOT IN (SELECT value FROM json_each(?))" if without else ""
        rows = self._database.read(
            f"""SELECT number, name, queue, body, not_before, retries, executions, response, reason, destination
               FROM tasks WHERE done_at IS NULL AND queue = ? AND not_before <= ? {passed_over}
               ORDER BY not_before LIMIT ?""",  # noqa: S608  nothing but our own words is put in
            queue,
            microseconds(now),
            *([json.dumps(without)] if without else []),
            limit,
        )
        return [
            Task(number, name, queue, body, moment(not_before), *rest)
            for number, name, queue, body, not_before, *rest in rows
        ]

    def next_due(self, queue: str, now: datetime) -> datetime | None:
        """When the first of those that aren't due will be."""
        ((earliest,),) = self._database.read(
            "SELECT min(not_before) FROM tasks WHERE done_at IS NULL AND queue = ? AND not_before > ?",
            queue,
            microseconds(now),
        )
        return None if earliest is None else moment(earliest)

    def record(self, done: Sequence[Task], retries: Sequence[Retry], now: datetime) -> None:
        """Note what has run and what has to run again, all in one write.

        It isn't flushed: where a failure of the power undoes it, the tasks run once more, and the claim sorts
        that out as it does any copy.
        """
        at, old = microseconds(now), microseconds(now - TOMBSTONE)
        finished = [(at, task.number) for task in done]
        again = [
            (
                microseconds(retry.not_before),
                retry.response is not None and retry.response < 500,
                retry.response,
                retry.reason,
                retry.task.number,
            )
            for retry in retries
        ]

        def work(connection: Connection) -> None:
            connection.executemany(
                "UPDATE tasks SET done_at = ?, body = NULL WHERE number = ? AND done_at IS NULL", finished
            )
            connection.executemany(
                """UPDATE tasks SET not_before = ?, retries = retries + 1, executions = executions + ?,
                       response = ?, reason = ?
                   WHERE number = ? AND done_at IS NULL""",
                again,
            )
            connection.execute(
                """DELETE FROM tasks WHERE number IN (
                       SELECT number FROM tasks WHERE done_at <= ? ORDER BY done_at LIMIT ?
                   )""",
                (old, _PURGE),
            )

        self._database.write(work, durable=False)

    def cancel(self, name: str, now: datetime) -> bool:
        """Whether the task was waiting. One that a dispatcher has in hand may run all the same."""
        return self._database.write(
            lambda connection: (
                connection.execute(
                    "UPDATE tasks SET done_at = ?, body = NULL WHERE name = ? AND done_at IS NULL",
                    (microseconds(now), name),
                ).rowcount
                == 1
            )
        )

    def waiting(self) -> dict[str, int]:
        """How many tasks wait in each queue, those that are running among them."""
        return dict(self._database.read("SELECT queue, count(*) FROM tasks WHERE done_at IS NULL GROUP BY queue"))
