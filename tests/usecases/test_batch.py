"""A batch is stored together, once per key, and its letters for one next hop share tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from postroom.accept import SubmitRequest, UnverifiedSender
from postroom.account.domain import SendingDomain
from postroom.batch import AcceptBatch, BatchRefused, BatchRequest, RefusedBefore
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import NoRoute
from postroom.delivery.submission import Submission
from postroom.idempotency import IdempotencyConflict
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import Cursor, Unavailable
from tests.contracts.threads import at_once
from tests.usecases.office import NOON, UseCases

FLAWED = ValueError("it was refused before it came here")


def request(to: str, fingerprint: str = "f", sender: str = "alice@example.org") -> SubmitRequest:
    letter = Letter(sender=Mailbox.parse(sender), to=(Mailbox.parse(to),), subject="x", text="x")
    return SubmitRequest(letter=letter, fingerprint=fingerprint)


def batch(*items: str | SubmitRequest | Exception, fingerprint: str = "f", **options: Any) -> BatchRequest:
    return BatchRequest(
        items=[request(each, fingerprint) if isinstance(each, str) else each for each in items],
        fingerprint=fingerprint,
        **options,
    )


def accepted(office: UseCases, asked: BatchRequest) -> list[Submission]:
    outcomes = AcceptBatch(office.accept)(asked)
    assert all(isinstance(each, Submission) for each in outcomes), outcomes
    return [each for each in outcomes if isinstance(each, Submission)]


def outcomes(office: UseCases, asked: BatchRequest) -> list[Submission | Exception]:
    return list(AcceptBatch(office.accept)(asked))


def stored(office: UseCases) -> int:
    return len(office.submissions.list(Cursor(limit=1000)).items)


def tasks(office: UseCases) -> list[tuple[str, int]]:
    """The destinations of the tasks that are out, with how many parcels each carries."""
    return [(task.destination, len(task.parcels)) for task, _ in office.schedule.put_]


def test_each_letter_is_stored_and_those_for_one_next_hop_share_tasks(office: UseCases) -> None:
    asked = batch(*(f"r{number}@{'one' if number % 2 else 'two'}.example" for number in range(50)))
    letters = accepted(office, asked)
    assert [each.to for each in letters] == [(f"r{n}@{'one' if n % 2 else 'two'}.example",) for n in range(50)]
    assert len({each.id for each in letters}) == 50
    assert [office.stored(each) for each in letters] == letters
    assert tasks(office) == [("two.example", 13), ("two.example", 12), ("one.example", 13), ("one.example", 12)]


def test_letters_that_are_alike_are_letters_all_the_same(office: UseCases) -> None:
    assert len({each.id for each in accepted(office, batch(*["bob@example.net"] * 3))}) == 3


def test_where_a_route_counts_its_letters_each_has_a_task_of_its_own(office: UseCases) -> None:
    table = '[[route]]\nmatch = "slow.example"\nclass = "slow"\nrate = 1\n[[route]]'
    office.accept = replace(office.accept, routes=parse_routes(table, {}))
    accepted(office, batch("a@slow.example", "b@fast.example", "c@slow.example", "d@fast.example"))
    assert tasks(office) == [("slow.example", 1), ("slow.example", 1), ("fast.example", 2)]


# Under a key.


def test_the_repeat_under_a_key_is_the_same_letters_and_finishes_the_work(office: UseCases) -> None:
    asked = batch("a@example.net", "b@example.net", idempotency_key="key")
    first = accepted(office, asked)
    put = office.schedule.take()
    office.now += timedelta(hours=23)
    assert accepted(office, asked) == first
    assert office.schedule.take()[0] == put[0], "nobody knows whether the first one's task was put"
    assert [UUID(each.id).version for each in first] == [8, 8]
    assert stored(office) == 2


def test_the_repeat_of_what_was_carried_puts_nothing(office: UseCases) -> None:
    asked = batch("a@example.net", "b@example.net", idempotency_key="key")
    accepted(office, asked)
    office.deliver(office.schedule.take()[0])
    accepted(office, asked)
    assert office.schedule.put_ == []


def test_another_batch_under_the_key_is_a_conflict_for_a_day_and_stores_nothing(office: UseCases) -> None:
    first = accepted(office, batch("a@example.net", idempotency_key="key"))
    other = batch("b@example.net", "c@example.net", fingerprint="g", idempotency_key="key")
    office.now = NOON + timedelta(hours=23, minutes=59)
    with pytest.raises(IdempotencyConflict):
        accepted(office, other)
    assert stored(office) == 1
    office.now = NOON + timedelta(hours=24)
    second = accepted(office, other)
    assert not {each.id for each in first} & {each.id for each in second}
    assert accepted(office, other) == second
    assert stored(office) == 3


def test_a_letter_and_a_batch_under_one_key_are_a_conflict(office: UseCases) -> None:
    alone = replace(request("a@example.net", "alone"), idempotency_key="letter first")
    office.accept(alone)
    with pytest.raises(IdempotencyConflict):
        accepted(office, batch("a@example.net", idempotency_key="letter first"))
    outcomes(office, batch(FLAWED, "a@example.net", idempotency_key="batch first", strict=False))
    with pytest.raises(IdempotencyConflict):
        office.accept(replace(alone, idempotency_key="batch first"))
    assert stored(office) == 2


def test_of_two_batches_under_a_key_at_once_one_is_stored_and_the_other_not_at_all(office: UseCases) -> None:
    for turn in range(10):
        batches = [
            batch(
                *(f"r{number}@example.net" for number in range(size)), fingerprint=str(size), idempotency_key=f"{turn}"
            )
            for size in (3, 6)
        ]

        def ask(number: int, batches: Sequence[BatchRequest] = batches) -> int:
            try:
                return len(accepted(office, batches[number]))
            except IdempotencyConflict:
                return 0

        before = stored(office)
        taken = at_once(2, ask)
        assert sorted(taken) in ([0, 3], [0, 6])
        assert stored(office) == before + sum(taken)


def test_a_batch_that_is_asked_for_twice_at_once_is_stored_once(office: UseCases) -> None:
    asked = batch(*(f"r{number}@example.net" for number in range(40)), idempotency_key="key")
    answers = at_once(4, lambda _: [each.id for each in accepted(office, asked)])
    assert answers == [answers[0]] * 4
    assert stored(office) == 40


class Failing(LocalSubmissions):
    """A home without transactions, that stores so many of a batch and is away then."""

    most = 1000

    def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
        done = []
        for each in letters:
            if self.most == 0:
                raise Unavailable("the store is away")
            self.most -= 1
            done.append(self.create(*each))
        return done


def test_a_store_that_fails_midway_is_completed_by_the_repeat(office: UseCases) -> None:
    failing = Failing(office.database)
    office.accept = replace(office.accept, submissions=failing)
    asked = batch(*(f"r{number}@example.net" for number in range(5)), idempotency_key="key")
    failing.most = 2
    with pytest.raises(Unavailable):
        accepted(office, asked)
    assert (stored(office), office.schedule.put_) == (2, [])
    failing.most = 1000
    office.now += timedelta(seconds=1)
    letters = accepted(office, asked)
    assert [each.to for each in letters] == [(f"r{number}@example.net",) for number in range(5)]
    assert [each.created_at for each in letters] == [NOON] * 2 + [office.now] * 3
    assert stored(office) == 5
    assert sum(count for _, count in tasks(office)) == 5


def test_what_is_stored_is_accepted_though_the_queue_is_away(office: UseCases) -> None:
    told: list[Unavailable] = []
    office.accept = replace(office.accept, troubled=told.append)
    office.schedule.down = Unavailable("the queue is away")
    accepted(office, batch("a@example.net", "b@example.net"))
    assert stored(office) == 2
    assert [str(each) for each in told] == ["the queue is away"]


def test_what_the_sweep_may_have_passed_by_is_noted_for_it_in_one_note(office: UseCases) -> None:
    class Slow(LocalSubmissions):
        def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
            office.now += timedelta(minutes=2)  # the process stood still
            return super().create_many(letters)

    office.accept = replace(office.accept, submissions=Slow(office.database))
    office.schedule.down = Unavailable("the queue is away")
    letters = accepted(office, batch("a@example.net", "b@example.net"))
    ((_, note),) = office.directory.list("sweep_note")
    assert note == {"submissions": [each.id for each in letters]}


# What can't be accepted.


@pytest.fixture
def strict_office(office: UseCases) -> UseCases:
    """Only example.org may send, and only to the domains of example.net."""
    office.accept = replace(
        office.accept, any_sender=False, routes=parse_routes('[[route]]\nmatch = "*.example.net"', {})
    )
    verify(office, "example.org")
    return office


def verify(office: UseCases, name: str) -> None:
    office.directory.put("domain", name, SendingDomain(name, name, True, NOON).record())


GOOD = "bob@one.example.net"
UNVERIFIED = request("bob@one.example.net", sender="eve@elsewhere.example")
NOWHERE = request("bob@nowhere.example")


@pytest.mark.parametrize(("bad", "why"), [(UNVERIFIED, UnverifiedSender), (NOWHERE, NoRoute), (FLAWED, ValueError)])
def test_a_strict_batch_with_a_bad_item_stores_nothing(
    strict_office: UseCases, bad: SubmitRequest | Exception, why: type[Exception]
) -> None:
    with pytest.raises(BatchRefused) as refused:
        accepted(strict_office, batch(GOOD, bad, GOOD, bad, idempotency_key="key"))
    assert list(refused.value.refusals) == [1, 3]
    assert all(isinstance(each, why) for each in refused.value.refusals.values())
    assert (stored(strict_office), strict_office.schedule.put_) == (0, [])
    assert accepted(strict_office, batch(GOOD, fingerprint="g", idempotency_key="key")), "and burns no key"


def test_a_permissive_batch_takes_the_others(strict_office: UseCases) -> None:
    asked = batch(FLAWED, GOOD, UNVERIFIED, GOOD, NOWHERE, strict=False)
    flawed, one, unverified, two, nowhere = outcomes(strict_office, asked)
    assert (flawed, type(unverified), type(nowhere)) == (FLAWED, UnverifiedSender, NoRoute)
    assert isinstance(one, Submission)
    assert isinstance(two, Submission)
    assert stored(strict_office) == 2
    assert tasks(strict_office) == [("one.example.net", 2)]


def test_of_a_permissive_batch_all_may_be_refused(strict_office: UseCases) -> None:
    asked = batch(FLAWED, UNVERIFIED, strict=False, idempotency_key="key")
    assert [type(each) for each in outcomes(strict_office, asked)] == [ValueError, UnverifiedSender]
    assert (stored(strict_office), strict_office.schedule.put_) == (0, [])


def test_whatever_was_refused_first_another_batch_under_the_key_is_a_conflict(strict_office: UseCases) -> None:
    outcomes(strict_office, batch(FLAWED, FLAWED, GOOD, strict=False, idempotency_key="key"))
    for others in ([GOOD], [FLAWED, GOOD], [GOOD, GOOD, GOOD, FLAWED]):
        with pytest.raises(IdempotencyConflict):
            outcomes(strict_office, batch(*others, fingerprint="g", strict=False, idempotency_key="key"))
    assert stored(strict_office) == 1


def test_the_repeat_of_a_permissive_batch_is_answered_as_the_first(strict_office: UseCases) -> None:
    asked = batch(UNVERIFIED, GOOD, UNVERIFIED, GOOD, strict=False, idempotency_key="key")
    first = outcomes(strict_office, asked)
    assert [each for each in outcomes(strict_office, asked) if isinstance(each, Submission)] == [first[1], first[3]]
    verify(strict_office, "elsewhere.example")
    again = outcomes(strict_office, asked)
    assert [type(each) for each in again] == [RefusedBefore, Submission, RefusedBefore, Submission]
    assert (again[1], again[3]) == (first[1], first[3])
    with pytest.raises(BatchRefused) as refused:
        outcomes(strict_office, replace(asked, strict=True))
    assert list(refused.value.refusals) == [0, 2]
    assert stored(strict_office) == 2
    assert len(accepted(strict_office, replace(asked, strict=True, idempotency_key="another"))) == 4


@pytest.mark.parametrize("strict", [True, False])
def test_what_was_stored_is_told_though_it_would_be_refused_now(strict_office: UseCases, strict: bool) -> None:
    asked = batch(GOOD, GOOD, strict=strict, idempotency_key="key")
    first = outcomes(strict_office, asked)
    strict_office.directory.delete("domain", "example.org")
    assert outcomes(strict_office, asked) == first


def test_what_was_not_stored_is_refused_where_it_may_not_be_sent_any_more(strict_office: UseCases) -> None:
    failing = Failing(strict_office.database)
    strict_office.accept = replace(strict_office.accept, submissions=failing)
    asked = batch(GOOD, GOOD, strict=False, idempotency_key="key")
    failing.most = 1
    with pytest.raises(Unavailable):
        outcomes(strict_office, asked)
    strict_office.directory.delete("domain", "example.org")
    assert [type(each) for each in outcomes(strict_office, asked)] == [Submission, UnverifiedSender]


def test_two_who_judge_one_batch_otherwise_at_once_agree_on_the_first(strict_office: UseCases) -> None:
    """The domain is verified between the two, and the one who still saw it unverified is faster."""
    asked = batch(UNVERIFIED, GOOD, strict=False, idempotency_key="key")

    class Overtaken(LocalSubmissions):
        before: Callable[[], object] | None = None

        def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
            before, self.before = self.before, None
            if before is not None:
                before()
            return super().create_many(letters)

    overtaken = Overtaken(strict_office.database)
    strict_office.accept = replace(strict_office.accept, submissions=overtaken)

    def overtake() -> None:
        strict_office.directory.delete("domain", "elsewhere.example")
        outcomes(strict_office, asked)
        verify(strict_office, "elsewhere.example")

    verify(strict_office, "elsewhere.example")
    overtaken.before = overtake
    assert [type(each) for each in outcomes(strict_office, asked)] == [RefusedBefore, Submission]
    assert stored(strict_office) == 1


def test_a_letter_that_outlived_its_batch_is_nobody_elses(office: UseCases) -> None:
    """The first of an old batch is erased, the second isn't yet: under the key both are new again."""
    asked = batch("a@example.net", "b@example.net", idempotency_key="key")
    _, old = accepted(office, asked)
    first = office.database.read("SELECT number FROM submissions ORDER BY number")[0][0]
    office.database.write(lambda connection: connection.execute("DELETE FROM submissions WHERE number = ?", (first,)))
    office.now += timedelta(days=31)
    new = accepted(office, asked)
    assert old.id not in {each.id for each in new}
    assert accepted(office, asked) == new
    assert stored(office) == 3
