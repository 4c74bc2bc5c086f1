"""The schedule in SQLite: puts tasks into the queue and wakes its dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from sqlite3 import Connection

from postroom.clouds.clock import now
from postroom.clouds.local.bell import Bell
from postroom.clouds.local.database import Database
from postroom.clouds.local.queue import Queue
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.ports import Task

MOST_PUT_ALONG = 1000  # parcels remembered, of letters whose tasks nobody has asked to put yet


class LocalSchedule:
    """Implements `Schedule` over the database. Its tasks run while a dispatcher does."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._queue = Queue(database)
        self._bell = Bell(database.folder)
        self._clock = clock
        self._put_along: set[ParcelRef] = set()

    def put(self, task: Task, not_before: datetime) -> None:
        self.put_many([(task, not_before)])

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        if not tasks:
            return
        parcels = {parcel for task, _ in tasks for parcel in _parcels(task)}
        there = bool(parcels) and parcels <= self._put_along
        if there:
            self._put_along -= parcels
            tasks = [each for each in tasks if not isinstance(each[0], DeliveryTask)]
        if (tasks and self._queue.put(_rows(tasks), self._clock())) or there:
            self._bell.ring()

    def putting(self, tasks: Sequence[tuple[DeliveryTask, datetime]]) -> Callable[[Connection], object]:
        """What puts them, for a transaction that does more. Once it is done `put_along` is to be told."""
        return self._queue.putting(_rows(tasks), self._clock())

    def put_along(self, tasks: Sequence[tuple[DeliveryTask, datetime]]) -> None:
        """These are in the queue: the next `put_many` of them has nothing to do but to wake the dispatcher."""
        if len(self._put_along) > MOST_PUT_ALONG:
            self._put_along.clear()
        self._put_along.update(parcel for task, _ in tasks for parcel in task.parcels)

    def cancel(self, task: Task) -> None:
        """Best effort: the task may run all the same."""
        self._queue.cancel(task.name, self._clock())


def _parcels(task: Task) -> tuple[ParcelRef, ...]:
    return task.parcels if isinstance(task, DeliveryTask) else ()


def _rows(tasks: Sequence[tuple[Task, datetime]]) -> list[tuple[str, str, bytes, datetime, str | None]]:
    return [(task.queue, task.name, task.body(), not_before, task.destination) for task, not_before in tasks]
