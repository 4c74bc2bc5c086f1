"""On one machine a claim carries its process's lock: it is free as soon as that process is dead."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.claims import Claimed, Claims, Live
from postroom.clouds.local.database import Database
from postroom.clouds.local.holders import LocalHolders
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.status import Outcome
from postroom.ports import Cursor
from tests.contracts.programs import go, heard, started
from tests.contracts.samples import LETTER, NOON, claimed, lease, ref, submission, unfranked
from tests.contracts.threads import at_once


@pytest.fixture
def submissions(local_submissions: LocalSubmissions) -> LocalSubmissions:
    return local_submissions


@pytest.fixture
def claims(local_claims: Claims) -> Claims:
    return local_claims


def test_of_four_processes_that_claim_at_once_one_gets_it(submissions: LocalSubmissions, tmp_path: Path) -> None:
    stored = submissions.create(submission(), LETTER)
    with ExitStack() as stack:
        workers = [stack.enter_context(started(tmp_path, "claim", stored.id, f"process-{n}")) for n in range(4)]
        for worker in workers:
            go(worker)
        assert sorted(map(heard, workers)) == ["Claimed", "Live", "Live", "Live"]


def test_a_killed_process_s_claim_is_free_at_once_and_a_living_one_s_is_not(
    submissions: LocalSubmissions, tmp_path: Path, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    with started(tmp_path, "claim", stored.id, "victim") as victim:
        go(victim)
        assert heard(victim) == "Claimed"
        answer = claims.claim(ref(stored), lease("heir"), unfranked)
        assert isinstance(answer, Live)
        assert answer.until == NOON + timedelta(seconds=5)  # the lease lasts longer, its holder may not
        victim.kill()
        victim.wait()
        heir = claimed(claims.claim(ref(stored), lease("heir"), unfranked))
    assert heir.taken_over
    assert [each.outcome for each in submissions.attempts(stored.id, Cursor()).items] == [Outcome.ABANDONED]


def test_a_living_process_s_claim_ends_with_its_lease_all_the_same(
    submissions: LocalSubmissions, tmp_path: Path, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    with started(tmp_path, "claim", stored.id, "sleeper") as sleeper:
        go(sleeper)
        assert heard(sleeper) == "Claimed"
        assert claimed(claims.claim(ref(stored), lease("heir", lease().until), unfranked)).taken_over


def test_a_claim_left_open_by_a_process_that_ended_in_order_is_free(database: Database) -> None:
    submissions = LocalSubmissions(database)
    stored = submissions.create(submission(), LETTER)
    ended, heir = (LocalHolders(database.folder / "locks") for _ in range(2))
    claimed(Claims(submissions=submissions, holders=ended).claim(ref(stored), lease("ended"), unfranked))
    ended.close()
    claims = Claims(submissions=submissions, holders=heir)
    assert isinstance(claims.claim(ref(stored), lease("heir"), unfranked), Claimed)
    heir.close()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\0b", "ä", "x" * 201])
def test_a_holder_s_name_is_a_plain_file_name(submissions: LocalSubmissions, name: str, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    with pytest.raises(ValueError, match="holder's name"):
        claims.claim(ref(stored), lease(name), unfranked)


def test_a_name_belongs_to_one_living_process(tmp_path: Path) -> None:
    one, other = LocalHolders(tmp_path), LocalHolders(tmp_path)
    one.live_as("worker")
    with pytest.raises(ValueError, match="another process"):
        other.live_as("worker")
    one.close()
    other.live_as("worker")
    other.close()


def test_two_who_look_at_a_dead_one_at_once_both_see_it_dead(tmp_path: Path) -> None:
    looking = LocalHolders(tmp_path)
    for n in range(20):
        name = f"dead-{n}"
        (tmp_path / name).touch()  # as a killed process leaves it: there, and not locked
        assert at_once(4, lambda _, name=name: looking.is_dead(name)) == [True] * 4  # type: ignore[misc]
    assert list(tmp_path.iterdir()) == []


def test_what_the_dead_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "dead").touch()
    living, newcomer = LocalHolders(tmp_path), LocalHolders(tmp_path)
    living.live_as("living")
    newcomer.live_as("newcomer")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["living", "newcomer"]
    assert not newcomer.is_dead("living")
    living.close()
    assert newcomer.is_dead("living")
    newcomer.close()
