"""The schedule in SQLite: puts tasks into the queue and wakes its dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from postroom.clouds.clock import now
from postroom.clouds.local.bell import Bell
from postroom.clouds.local.database import Database
from postroom.clouds.local.queue import Queue
from postroom.delivery.task import DeliveryTask


class LocalSchedule:
    """Implements `Schedule` over the database. Its tasks run while a dispatcher does."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._queue = Queue(database)
        self._bell = Bell(database.folder)
        self._clock = clock

    def put(self, task: DeliveryTask, not_before: datetime) -> None:
        self.put_many([(task, not_before)])

    def put_many(self, tasks: Sequence[tuple[DeliveryTask, datetime]]) -> None:
        rows = [(task.queue, task.name, task.body(), not_before, task.destination) for task, not_before in tasks]
        if rows and self._queue.put(rows, self._clock()):
            self._bell.ring()

    def cancel(self, task: DeliveryTask) -> None:
        """Best effort: the task may run all the same."""
        self._queue.cancel(task.name, self._clock())
