"""What a letter costs on one machine: one transaction a step."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection
from typing import TypeVar

import pytest

from postroom.claims import Claims
from postroom.clouds.local.bell import Bell
from postroom.clouds.local.database import Database
from postroom.clouds.local.queue import Queue
from postroom.clouds.local.schedule import LocalSchedule
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.together import together
from postroom.ports import Cursor, Unavailable
from tests.contracts.samples import LETTER, NOON, attempt, claimed, delivered, lease, ref, submission, unfranked
from tests.contracts.test_local_bell import hears

T = TypeVar("T")


class Counting(Database):
    commits = 0

    def write(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
        self.commits += 1
        return super().write(work, durable=durable)


def test_each_step_of_a_healthy_letter_is_one_commit(database: Database) -> None:
    counting = Counting(database.folder)
    submissions, schedule = LocalSubmissions(counting), LocalSchedule(counting)
    claims = Claims(submissions=submissions)
    commits = []

    def step() -> None:
        commits.append(counting.commits)
        counting.commits = 0

    stored = submissions.create(submission(destinations=("example.org", "example.net")), LETTER)
    step()
    schedule.put_many([(parcel.task(), NOON) for parcel in stored.parcels])
    step()
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    step()
    assert claims.settle(delivered(mine), attempt(mine))
    step()
    assert commits == [1, 1, 1, 1]
    counting.close()


def test_a_batch_is_one_commit_and_its_tasks_are_another(database: Database) -> None:
    counting = Counting(database.folder)
    letters = [(submission(destinations=("example.org", "example.net")), LETTER) for _ in range(100)]
    stored = LocalSubmissions(counting).create_many(letters)
    assert counting.commits == 1
    LocalSchedule(counting).put_many(together((parcel, NOON) for each in stored for parcel in each.parcels))
    assert counting.commits == 2
    counting.close()


def test_a_batch_that_cannot_be_written_is_not_stored_in_part(database: Database) -> None:
    class Full(Exception):
        pass

    class Failing(Database):
        def write(self, work: Callable[[Connection], T], *, durable: bool = True) -> T:
            def cut_off(connection: Connection) -> T:
                work(connection)
                raise Full

            return super().write(cut_off, durable=durable)

    failing = Failing(database.folder)
    with pytest.raises(Full):
        LocalSubmissions(failing).create_many([(submission(), LETTER) for _ in range(3)])
    failing.close()
    assert LocalSubmissions(database).list(Cursor()).items == ()


def test_a_letter_is_accepted_in_one_commit(database: Database) -> None:
    counting = Counting(database.folder)
    schedule = LocalSchedule(counting)
    submissions = LocalSubmissions(counting, schedule)
    stored = submissions.create(submission(destinations=("example.org", "example.net")), LETTER)
    tasks = [(parcel.task(), NOON) for parcel in stored.parcels]
    assert Queue(database).waiting() == {"mx": 2}
    schedule.put_many(tasks)
    assert counting.commits == 1
    schedule.put_many(tasks)  # as the repeat of the request does
    assert (counting.commits, Queue(database).waiting()) == (2, {"mx": 2})
    assert submissions.create(stored, LETTER) == stored
    assert Queue(database).waiting() == {"mx": 2}
    counting.close()


def test_what_was_put_along_still_wakes_the_dispatcher(database: Database) -> None:
    schedule = LocalSchedule(database)
    stored = LocalSubmissions(database, schedule).create(submission(), LETTER)
    listener = Bell(database.folder).listen()
    schedule.put_many([(parcel.task(), NOON) for parcel in stored.parcels])
    assert hears(listener)
    listener.close()


def test_a_letter_that_can_not_be_stored_leaves_no_task(database: Database) -> None:
    schedule = LocalSchedule(database)
    refused = submission()
    tasks = [(parcel.task(), NOON) for parcel in refused.parcels]
    database.write(lambda connection: connection.execute("DROP TABLE letters"))
    with pytest.raises(Unavailable):
        LocalSubmissions(database, schedule).create(refused, LETTER)
    assert Queue(database).waiting() == {}
    schedule.put_many(tasks)
    assert Queue(database).waiting() == {"mx": 1}, "nothing is remembered of a write that was undone"
