"""What is accepted is stored with its tasks, once per key."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from postroom.accept import SubmitRequest, UnverifiedSender
from postroom.account.domain import SendingDomain
from postroom.account.return_path import ReturnPath
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import NoRoute
from postroom.delivery.submission import Submission
from postroom.idempotency import IdempotencyConflict, deployment_secret
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import Unavailable
from tests.usecases.office import NOON, UseCases, iter_randomness

LETTER = Letter(
    sender=Mailbox.parse("Alice <alice@example.org>"), to=(Mailbox.parse("bob@example.net"),), subject="x", text="x"
)


def test_one_parcel_and_one_task_per_next_hop(office: UseCases) -> None:
    letter = office.submit("a@one.example", "b@two.example", "c@one.example")
    assert [parcel.destination for parcel in letter.parcels] == ["one.example", "two.example"]
    assert [task.destination for task, _ in office.schedule.put_] == ["one.example", "two.example"]
    assert len({task.name for task, _ in office.schedule.put_}) == 2


def test_an_address_named_twice_gets_one_letter(office: UseCases) -> None:
    letter = office.submit("Bob@example.net", "bob@EXAMPLE.net", bcc=(Mailbox.parse("bob@example.net"),))
    assert [(each.address, each.kind) for each in letter.recipients] == [("Bob@example.net", "to")]


def test_the_repeat_under_a_key_is_the_same_letter_and_finishes_the_work(office: UseCases) -> None:
    request = SubmitRequest(letter=LETTER, fingerprint="f", idempotency_key="key")
    first = office.accept(request)
    office.schedule.put_.clear()  # as if the process had died before it put the task
    office.now += timedelta(hours=1)
    assert office.accept(request) == first
    assert [task.parcels[0].submission for task, _ in office.schedule.put_] == [first.id]
    assert UUID(first.id).version == 8


def test_the_repeat_of_what_was_carried_puts_nothing(office: UseCases) -> None:
    request = SubmitRequest(letter=LETTER, fingerprint="f", idempotency_key="key")
    office.accept(request)
    office.deliver(office.schedule.take()[0])
    office.accept(request)
    assert office.schedule.put_ == []


def test_another_request_under_the_key_is_a_conflict_for_a_day(office: UseCases) -> None:
    first = office.accept(SubmitRequest(letter=LETTER, fingerprint="f", idempotency_key="key"))
    other = SubmitRequest(letter=LETTER, fingerprint="g", idempotency_key="key")
    office.now = NOON + timedelta(hours=23, minutes=59)
    with pytest.raises(IdempotencyConflict):
        office.accept(other)
    office.now = NOON + timedelta(hours=24)
    second = office.accept(other)
    assert second.id != first.id
    assert office.accept(other).id == second.id


def test_only_verified_domains_may_send_where_that_is_required(office: UseCases) -> None:
    strict = replace(office.accept, any_sender=False)
    request = SubmitRequest(letter=LETTER, fingerprint="f")
    with pytest.raises(UnverifiedSender, match=r"example\.org domain is not verified"):
        strict(request)
    unverified = SendingDomain("id", "example.org", False, NOON)
    office.directory.put("domain", "example.org", unverified.record())
    with pytest.raises(UnverifiedSender):
        strict(request)
    office.directory.put("domain", "example.org", replace(unverified, verified=True).record())
    assert strict(request).sender == "Alice <alice@example.org>"


def test_a_letter_that_nobody_would_carry_is_not_stored(office: UseCases) -> None:
    narrow = replace(office.accept, routes=parse_routes('[[route]]\nmatch = "*.example.com"', {}))
    with pytest.raises(NoRoute):
        narrow(SubmitRequest(letter=LETTER, fingerprint="f"))
    assert office.schedule.put_ == []


def test_the_return_path_names_the_submission_where_a_domain_is_set(office: UseCases) -> None:
    letter = replace(office.accept, return_path_domain="bounce.example.org")(
        SubmitRequest(letter=LETTER, fingerprint="f")
    )
    assert letter.return_path == f"{letter.id}@bounce.example.org"
    assert office.submit().return_path == "alice@example.org"


def test_a_domain_may_have_a_return_path_of_its_own(office: UseCases) -> None:
    accept = replace(office.accept, return_path_domain="bounce.example.net")
    path = ReturnPath("send.example.org", ((10, "mx.example.net"),))
    domain = SendingDomain("id", "example.org", True, NOON, return_path=path)
    office.directory.put("domain", "example.org", domain.record())
    awaited = accept(SubmitRequest(letter=LETTER, fingerprint="f"))
    assert awaited.return_path == f"{awaited.id}@bounce.example.net"
    office.directory.put("domain", "example.org", replace(domain, return_path=replace(path, in_use=True)).record())
    used = accept(SubmitRequest(letter=LETTER, fingerprint="f"))
    assert used.return_path == f"{used.id}@send.example.org"


def test_a_domain_may_want_tls_for_all_its_letters(office: UseCases) -> None:
    office.directory.put(
        "domain", "example.org", SendingDomain("id", "example.org", True, NOON, tls="enforced").record()
    )
    for asked, becomes in ((None, "require"), ("opportunistic", "require"), ("verify", "verify")):
        assert office.accept(SubmitRequest(letter=LETTER, fingerprint="f", tls=asked)).tls == becomes


def test_a_deleted_domain_takes_no_letters(office: UseCases) -> None:
    deleted = SendingDomain("id", "example.org", True, NOON).deleted(NOON)
    office.directory.put("domain", "example.org", deleted.record())
    with pytest.raises(UnverifiedSender):
        replace(office.accept, any_sender=False)(SubmitRequest(letter=LETTER, fingerprint="f"))


def test_a_deployment_has_one_secret(office: UseCases) -> None:
    randomness = iter_randomness()
    secrets = {deployment_secret(office.directory, randomness) for _ in range(3)}
    assert len(secrets) == 1


def test_what_is_stored_is_accepted_though_the_queue_is_away(office: UseCases) -> None:
    told: list[Unavailable] = []
    accept = replace(office.accept, troubled=told.append)
    office.schedule.down = Unavailable("the queue is away")
    stored = accept(SubmitRequest(letter=LETTER, fingerprint="f"))
    assert office.statuses(stored) == ["queued"]
    assert [str(each) for each in told] == ["the queue is away"], "and the operator is told; the sweep puts its task"


def test_what_the_sweep_may_have_passed_by_is_noted_for_it(office: UseCases) -> None:
    class Slow(LocalSubmissions):
        def create(self, submission: Submission, letter: bytes) -> Submission:
            office.now += timedelta(minutes=2)  # the process stood still
            return super().create(submission, letter)

    slow = replace(office.accept, submissions=Slow(office.database))
    office.schedule.down = Unavailable("the queue is away")
    letter = slow(SubmitRequest(letter=LETTER, fingerprint="f"))
    ((at, note),) = office.directory.list("sweep_note")
    assert at.startswith("2026-11-24T12:03:00")
    assert note == {"submissions": [letter.id]}
