"""A task of several parcels: each letter has its own fate, and the others don't share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from postroom.accept import SubmitRequest
from postroom.batch import AcceptBatch, BatchRequest
from postroom.deliver import MOST_DEATHS
from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import Exchanger, Target
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import Carried, MxFound, NoDomain
from postroom.smtp.envelope import Mail
from postroom.smtp.verdict import Fate, Verdict
from tests.usecases.office import FakeWire, UseCases, deferred, taken

MINUTE = timedelta(minutes=1)


def submit(office: UseCases, many: int, **options: object) -> tuple[list[Submission], DeliveryTask]:
    """Letters for one next hop, and the only task for all of them; the options are the second letter's."""
    requests = [
        SubmitRequest(
            letter=Letter(
                sender=Mailbox.parse("alice@example.org"),
                to=(Mailbox.parse(f"r{number}@example.net"),),
                subject="hello",
                text="hello",
            ),
            fingerprint="f",
            **(options if number == 1 else {}),  # type: ignore[arg-type]  # by name
        )
        for number in range(many)
    ]
    outcomes = AcceptBatch(office.accept)(BatchRequest(items=requests, fingerprint="f"))
    task, _ = office.schedule.take()
    return [each for each in outcomes if isinstance(each, Submission)], task


def statuses(office: UseCases, letters: list[Submission]) -> list[str]:
    return [office.statuses(each)[0] for each in letters]


def test_all_of_them_go_in_one_session(office: UseCases) -> None:
    letters, task = submit(office, 20)
    office.deliver(task)
    assert set(statuses(office, letters)) == {"delivered"}
    assert [mail.recipients for mail in office.wire.carried] == [(f"r{number}@example.net",) for number in range(20)]
    assert len(office.wire.targets) == 1
    assert office.schedule.put_ == []


def test_each_that_is_deferred_comes_again_by_itself(office: UseCases) -> None:
    letters, task = submit(office, 4)
    office.wire.judge = lambda mail: (deferred if mail.recipients[0][1] in "12" else taken)(mail)
    office.deliver(task)
    assert statuses(office, letters) == ["delivered", "deferred", "deferred", "delivered"]
    assert [[ref.submission for ref in each.parcels] for each, _ in office.schedule.put_] == [
        [letters[1].id],
        [letters[2].id],
    ]
    names = [each.name for each, _ in office.schedule.put_]
    office.deliver(task)  # a copy
    assert [each.name for each, _ in office.schedule.put_] == names * 2, "what should follow is put again, no more"
    assert len(office.wire.carried) == 4


def test_an_expired_one_and_a_cancelled_one_are_passed_over(office: UseCases) -> None:
    letters, task = submit(office, 4, expires_at=office.now + MINUTE)
    assert office.deliver.claims.cancel(letters[2].id, 0, office.now)
    office.now += 2 * MINUTE
    office.deliver(task)
    assert statuses(office, letters) == ["delivered", "expired", "canceled", "delivered"]
    assert len(office.wire.carried) == 2


def test_one_that_another_worker_has_is_looked_at_again_and_the_others_go(office: UseCases) -> None:
    letters, task = submit(office, 3)
    office.die_with(replace(task, parcels=task.parcels[1:2]))  # it lives on, as far as others can tell
    office.deliver(task)
    assert statuses(office, letters) == ["delivered", "sending", "delivered"]
    (look, at) = office.schedule.take()
    assert [ref.submission for ref in look.parcels] == [letters[1].id]
    assert office.now < at <= office.now + office.deliver.lease


def test_where_nobody_is_to_be_reached_all_are_refused_without_a_connection(office: UseCases) -> None:
    letters, task = submit(office, 3)
    office.resolver.answer = NoDomain("example.net doesn't exist")
    office.deliver(task)
    assert statuses(office, letters) == ["bounced"] * 3
    assert office.wire.targets == []


def test_while_their_destination_rests_each_waits_unclaimed(office: UseCases) -> None:
    office.wire.judge = lambda mail: tuple(
        Verdict(each, Fate.DEFERRED, cause="connection_refused") for each in mail.recipients
    )
    for _ in range(3):
        office.now, office.seconds = office.now + MINUTE, office.seconds + 60
        office.deliver(submit(office, 1)[1])
        office.schedule.put_.clear()
    letters, task = submit(office, 3, expires_at=office.now + timedelta(seconds=1))
    office.deliver(task)
    assert [(len(each.parcels), at > office.now) for each, at in office.schedule.put_] == [(1, True)] * 3
    assert {office.stored(each).parcels[0].claim for each in letters} == {0}
    office.now += timedelta(seconds=5)
    office.deliver(task)
    assert statuses(office, letters) == ["queued", "expired", "queued"]


# Another route's.


@pytest.fixture(params=["", "rate = 5\n"], ids=["any rate", "a rate"])
def google(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[UseCases, str]:
    """An office in which mail for google's servers has a route and a class of its own."""
    table = (
        f'[[route]]\nname = "google"\nmx = "*.google.com"\nclass = "google"\n{request.param}[[route]]\nname = "mx"\n'
    )
    office = UseCases(tmp_path, parse_routes(table, {}))
    office.resolver.answer = MxFound((Exchanger(10, "mx.google.com"),))
    return office, request.param


def test_those_that_turn_out_to_be_another_routes_go_on_together(google: tuple[UseCases, str]) -> None:
    office, rate = google
    letters, task = submit(office, 4, route="mx")
    office.deliver(task)
    assert statuses(office, letters) == ["queued", "delivered", "queued", "queued"], "one names its route"
    moved = [each for each, _ in office.schedule.put_]
    assert {(each.queue, each.route) for each in moved} == {("google", "google")}
    assert [len(each.parcels) for each in moved] == ([1, 1, 1] if rate else [3])
    for each in moved:
        office.deliver(each)
    assert set(statuses(office, letters)) == {"delivered"}
    assert len(office.wire.carried) == 4
    office.close()


def test_those_whose_task_for_another_route_was_lost_are_put_by_a_copy(google: tuple[UseCases, str]) -> None:
    office, _ = google
    letters, task = submit(office, 2)
    office.deliver(task)
    office.schedule.put_.clear()  # the worker died before it put them
    office.deliver(task)
    for each, _ in list(office.schedule.put_):
        office.deliver(each)
    assert set(statuses(office, letters)) == {"delivered"}
    office.close()


# Dying.


class Killed(BaseException):
    """As SIGKILL."""


class Ahead(FakeWire):
    """It pulls each letter while the one before is under way, as the real one does."""

    def converse(
        self,
        target: Target,
        mails: Iterator[Mail],
        deadline: float,
        mark: Callable[[Mail], bool],
        settled: Callable[[Mail, Carried], None],
    ) -> None:
        def pulled() -> Iterator[Mail]:
            mail = next(mails, None)
            while mail is not None:
                following = next(mails, None)
                yield mail
                mail = following

        super().converse(target, pulled(), deadline, mark, settled)


def test_a_letter_that_kills_its_workers_takes_no_other_with_it(office: UseCases) -> None:
    def judge(mail: Mail) -> tuple[Verdict, ...]:
        if mail.recipients == ("r1@example.net",):
            raise Killed
        return taken(mail)

    office.wire = Ahead(judge)
    letters, task = submit(office, 4)
    office.schedule.put_.append((task, office.now))
    deaths, names = 0, count()
    while office.schedule.put_:
        brought, at = office.schedule.put_.pop(0)
        office.now = max(office.now, at)
        try:
            office.worker(f"worker-{next(names)}")(brought)
        except Killed:
            deaths += 1
            office.kill_the_last()
            office.schedule.put_.append((brought, office.now))
    assert statuses(office, letters) == ["delivered", "failed", "delivered", "delivered"]
    assert deaths == MOST_DEATHS
    recipients = [office.stored(each).recipients[0] for each in letters]
    assert recipients[1].cause == "killed_its_worker"
    # The third was in the hands of the first that died, and nobody knows what it had done with it.
    assert [each.possibly_delivered for each in recipients] == [False, True, True, False]
    assert len([mail for mail in office.wire.carried if mail.recipients != ("r1@example.net",)]) == 3
