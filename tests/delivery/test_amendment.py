"""What a sender may still change: a lawful move for each recipient, and a name that no task has had."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.delivery.amendment import RETRIED, canceled, rescheduled, retried
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import MOVES, OPEN, Status

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def parcel(*statuses: Status) -> Parcel:
    recipients = tuple(
        Recipient(
            address=f"r{number}@example.net", kind="to", status=status, updated_at=NOON, attempts=3, code=451,
            response="451 later", cause="deferred", possibly_delivered=True, next_attempt_at=LATER,
        )
        for number, status in enumerate(statuses)
    )  # fmt: skip
    return Parcel(
        submission=SubmissionId("x"), number=0, route="mx", destination="example.net", queue="default",
        recipients=recipients, next_attempt_at=LATER, attempts=3, deaths=8,
    )  # fmt: skip


@pytest.mark.parametrize("status", Status)
def test_what_is_open_can_be_taken_back_and_nothing_else(status: Status) -> None:
    if status is Status.SENDING:  # it is never stored
        return
    back = canceled(parcel(status), NOON)
    assert (back is not None) == (status in OPEN)
    if back is not None:
        assert (back.recipients[0].status, back.next_attempt_at, back.open) == (Status.CANCELED, None, False)
        assert back.recipients[0].possibly_delivered, "that stays true"


def test_what_was_delivered_stays_so_when_the_rest_is_taken_back() -> None:
    back = canceled(parcel(Status.DELIVERED, Status.DEFERRED), NOON)
    assert back is not None
    assert [each.status for each in back.recipients] == [Status.DELIVERED, Status.CANCELED]


@pytest.mark.parametrize("status", Status)
def test_what_did_not_get_through_is_put_back_and_nothing_else(status: Status) -> None:
    back = retried(parcel(status, Status.DELIVERED), NOON)
    assert (back is not None) == (status in RETRIED)
    if back is None:
        return
    first, second = back.recipients
    assert first.status is Status.DEFERRED or first.status in MOVES[status]
    assert (first.next_attempt_at, first.attempts, first.possibly_delivered) == (NOON, 3, True)
    assert second == parcel(status, Status.DELIVERED).recipients[1]
    assert (back.deaths, back.retried_at, back.retried_after, back.next_attempt_at) == (0, NOON, 3, NOON)
    assert retried(back, LATER) is None or status is Status.DEFERRED


def test_the_first_claim_freezes_the_moment() -> None:
    waiting = parcel(Status.SCHEDULED)
    moved = rescheduled(waiting, LATER, NOON)
    assert moved is not None
    assert (moved.scheduled_at, moved.next_attempt_at, moved.recipients[0].next_attempt_at) == (LATER, LATER, LATER)
    assert rescheduled(replace(waiting, claim=1), LATER, NOON) is None
    assert rescheduled(parcel(Status.QUEUED), LATER, NOON) is None


def test_each_change_has_a_name_that_workers_never_count_up_to() -> None:
    waiting = parcel(Status.SCHEDULED)
    names = {waiting.task(generation).name for generation in range(100)}
    for _ in range(3):  # within one microsecond, too
        changed = rescheduled(waiting, LATER, NOON)
        assert changed is not None
        assert changed.task().name not in names
        names.add(changed.task().name)
        waiting = changed
