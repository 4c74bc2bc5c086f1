"""The contract of `Submissions.create_many`: each once, and the first speaks for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Submissions
from tests.contracts.samples import NOON, submission
from tests.contracts.threads import at_once

Batch = Sequence[tuple[Submission, bytes]]


def batch(count: int, fingerprint: str = "f1") -> list[tuple[Submission, bytes]]:
    return [
        (replace(submission(subject=str(number)), fingerprint=fingerprint), f"letter {number}".encode())
        for number in range(count)
    ]


def heads(letters: Batch) -> list[Submission]:
    return [head for head, _ in letters]


def other(letters: Batch) -> list[tuple[Submission, bytes]]:
    """Another request under the same ids."""
    return [(replace(head, fingerprint="f2", subject="other"), b"another letter") for head, _ in letters]


def stored(submissions: Submissions) -> int:
    return len(submissions.list(Cursor(limit=1000)).items)


def test_all_of_a_batch_can_be_read(submissions: Submissions) -> None:
    letters = batch(30)
    assert list(submissions.create_many(letters)) == heads(letters)
    assert [submissions.get(head.id) for head in heads(letters)] == heads(letters)
    assert [submissions.letter(head.id) for head in heads(letters)] == [packed for _, packed in letters]
    assert stored(submissions) == 30
    assert list(submissions.create_many([])) == []


def test_a_batch_that_comes_again_changes_nothing(submissions: Submissions) -> None:
    letters = batch(5)
    submissions.create_many(letters)
    again = [(replace(head, subject="again", created_at=NOON + timedelta(hours=1)), packed) for head, packed in letters]
    assert list(submissions.create_many(again)) == heads(letters)
    assert stored(submissions) == 5


def test_what_is_missing_of_a_batch_is_stored_by_its_repeat(submissions: Submissions) -> None:
    letters = batch(6)
    for place in (0, 1, 4):
        submissions.create(*letters[place])
    assert list(submissions.create_many(letters)) == heads(letters)
    assert stored(submissions) == 6
    assert submissions.letter(letters[5][0].id) == b"letter 5"


def test_where_the_first_is_of_another_request_nothing_is_stored(submissions: Submissions) -> None:
    letters = batch(4)
    first = submissions.create(*letters[0])
    assert list(submissions.create_many(other(letters))) == [first]
    assert stored(submissions) == 1
    judged_otherwise = [(replace(letters[0][0], refused=(7,)), b"letter 0"), *letters[1:]]
    assert list(submissions.create_many(judged_otherwise)) == [first]
    assert stored(submissions) == 1


def test_which_items_were_refused_comes_back(submissions: Submissions) -> None:
    (head, packed), *others = batch(2)
    head = replace(head, refused=(0, 3, 499))
    submissions.create_many([(head, packed), *others])
    assert submissions.get(head.id) == head
    assert [each.refused for each in submissions.list(Cursor()).items].count((0, 3, 499)) == 1


def test_of_many_who_create_one_batch_at_once_one_does(submissions: Submissions) -> None:
    letters = batch(8)
    answers = at_once(3, lambda _: list(submissions.create_many(letters)))
    assert answers == [heads(letters)] * 3
    assert stored(submissions) == 8


def test_of_two_batches_under_one_id_at_once_one_is_stored_whole_and_the_other_not_at_all(
    submissions: Submissions,
) -> None:
    mine = batch(9)
    theirs = [*other(mine), *batch(9, "f2")]
    first, second = at_once(2, lambda number: list(submissions.create_many([mine, theirs][number])))
    winner, loser = (first, second) if len(first) > 1 else (second, first)
    assert winner in (heads(mine), heads(theirs))
    assert loser == [winner[0]]
    assert stored(submissions) == len(winner)


def test_letters_of_a_batch_may_be_large_and_for_several_next_hops(submissions: Submissions) -> None:
    letters = batch(2)
    letters += [(submission(subject=f"large {n}"), bytes([n]) + bytes(range(256)) * 1200) for n in range(3)]
    letters += [(submission(destinations=("a.example", "b.example", "c.example")), b"three") for _ in range(2)]
    letters = [(replace(head, fingerprint="f1"), packed) for head, packed in letters]
    assert list(submissions.create_many(letters)) == heads(letters)
    assert list(submissions.create_many(letters)) == heads(letters)
    assert [submissions.get(head.id) for head in heads(letters)] == heads(letters)
    assert [submissions.letter(head.id) for head in heads(letters)] == [packed for _, packed in letters]
