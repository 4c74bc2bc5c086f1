"""What a letter costs on one machine: one transaction a step."""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection
from typing import TypeVar

from postroom.claims import Claims
from postroom.clouds.local.database import Database
from postroom.clouds.local.schedule import LocalSchedule
from postroom.clouds.local.submissions import LocalSubmissions
from tests.contracts.samples import LETTER, NOON, attempt, claimed, delivered, lease, ref, submission, unfranked

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
