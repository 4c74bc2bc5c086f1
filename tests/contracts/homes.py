"""A home that the contracts are run against, and the one of one machine. Each cloud has a module of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from postroom.claims import Claims
from postroom.clouds.local.counters import LocalCounters
from postroom.clouds.local.database import Database
from postroom.clouds.local.directory import LocalDirectory
from postroom.clouds.local.holders import LocalHolders
from postroom.clouds.local.invocation import Backoff, Dispatcher
from postroom.clouds.local.schedule import LocalSchedule
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.task import DeliveryTask
from postroom.ports import Counters, Directory, Holders, Schedule, Submissions
from tests.contracts.function import Function


@dataclass(frozen=True)
class Home:
    """One deployment's stores, and a function that the schedule brings its tasks to."""

    submissions: Submissions
    directory: Directory
    schedule: Schedule
    function: Function
    counters: Counters
    holders: Holders | None = None
    tick: float = 0.2  # seconds that its schedule can tell apart

    @property
    def claims(self) -> Claims:
        return Claims(submissions=self.submissions, holders=self.holders)

    def ran(self, count: int) -> list[DeliveryTask]:
        """The tasks that the function was called for, once they are `count`."""
        return [DeliveryTask.from_body(call.body) for call in self.function.wait_for(count)]


@contextmanager
def local(folder: Path) -> Iterator[Home]:
    database = Database(folder)
    database.prepare()
    holders = LocalHolders(folder / "locks")
    with Function() as function, dispatching(Dispatcher(database, {"": function.url}, backoff=Backoff(0.02))):
        yield Home(
            LocalSubmissions(database),
            LocalDirectory(database),
            LocalSchedule(database),
            function,
            LocalCounters(database),
            holders,
        )
    holders.close()
    database.close()


@contextmanager
def dispatching(dispatcher: Dispatcher) -> Iterator[None]:
    """Run it in a thread."""
    thread = Thread(target=dispatcher.run)
    thread.start()
    try:
        yield
    finally:
        dispatcher.stop()
        thread.join()
