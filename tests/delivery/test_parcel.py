"""The records survive being stored, and a task finds its parcel as it stands."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.attempt import Attempt, TlsFacts
from postroom.delivery.parcel import Franking, Lease, Parcel, Standing, standing
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId, uuid8
from postroom.delivery.status import Outcome, Status
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.smtp.transcript import Line

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
ID = SubmissionId("5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57")
QUEUED = Recipient(address="b@example.net", kind="to", status=Status.QUEUED, updated_at=NOON, next_attempt_at=NOON)
PARCEL = Parcel(
    submission=ID, number=0, route="mx", destination="example.net", queue="default", recipients=(QUEUED,),
    next_attempt_at=NOON,
)  # fmt: skip
SUBMISSION = Submission(
    id=ID, created_at=NOON, fingerprint="f", message_id="<x@y>", sender="Älice <a@example.org>",
    to=("b@example.net",), tags=(("kind", "test"),), expires_at=NOON, parcels=(PARCEL,),
)  # fmt: skip
LEASE = Lease("worker", NOON, NOON + timedelta(seconds=840))


def stored(record: object) -> dict[str, object]:
    """What comes back after the record was written as JSON."""
    back: dict[str, object] = json.loads(json.dumps(record))
    return back


def test_records_come_back_as_they_were() -> None:
    claimed = PARCEL.claimed(LEASE, Franking("example.org", ("s1", "s2")))
    for parcel in (PARCEL, claimed):
        assert Parcel.from_record(stored(parcel.record())) == parcel
    assert Submission.from_record(stored(SUBMISSION.record()), [PARCEL]) == SUBMISSION
    attempt = Attempt(
        submission=ID, parcel=0, claim=1, number=1, destination="example.net", started_at=NOON, finished_at=NOON,
        outcome=Outcome.ACCEPTED, tls=TlsFacts(version="TLSv1.3", cipher="x", verified=False, policy="opportunistic"),
        transcript=(Line(0.5, "server", "220 hi"),),
    )  # fmt: skip
    assert Attempt.from_record(stored(attempt.record())) == attempt
    assert Attempt.from_record(stored(attempt.record())).id == attempt.id


def test_records_of_an_older_release_are_read() -> None:
    parcel, submission = stored(PARCEL.record()), stored(SUBMISSION.record() | {"scheduled_at": None})
    for name in ("scheduled_at", "retried_at", "retried_after"):
        del parcel[name]
    assert Parcel.from_record(parcel) == PARCEL
    assert Submission.from_record(submission, [PARCEL]) == SUBMISSION


def test_the_moment_is_the_parcels_and_the_letter_shows_the_latest() -> None:
    assert SUBMISSION.scheduled_at is None
    assert SUBMISSION.date_of(PARCEL) == SUBMISSION.due_since(PARCEL) == NOON
    later = replace(PARCEL, scheduled_at=NOON + timedelta(hours=1))
    latest = replace(PARCEL, number=1, scheduled_at=NOON + timedelta(hours=2))
    assert replace(SUBMISSION, parcels=(later, latest)).scheduled_at == latest.scheduled_at
    assert SUBMISSION.date_of(later) == later.scheduled_at
    passed = replace(PARCEL, scheduled_at=NOON - timedelta(minutes=1))
    assert SUBMISSION.date_of(passed) == NOON, "no letter is dated before it was taken"
    retried = replace(later, retried_at=NOON + timedelta(days=9))
    assert (SUBMISSION.date_of(retried), SUBMISSION.due_since(retried)) == (later.scheduled_at, retried.retried_at)


def test_a_claimed_recipient_is_seen_sending_and_stored_as_it_was() -> None:
    claimed = PARCEL.claimed(LEASE, None)
    assert [each.status for each in claimed.view()] == [Status.SENDING]
    assert [each.status for each in claimed.recipients] == [Status.QUEUED]


def test_what_the_first_claim_froze_stays_frozen() -> None:
    first = PARCEL.claimed(LEASE, Franking("example.org", ("old",)))
    second = replace(first, lease=None).claimed(LEASE, Franking("example.org", ("new",)))
    assert second.franking == Franking("example.org", ("old",))
    assert second.claim == 2


@pytest.mark.parametrize(
    ("parcel", "ref_claim", "dead", "found"),
    [
        (PARCEL, 0, False, Standing.FREE),
        (PARCEL, 1, False, Standing.OVER),
        (PARCEL.claimed(LEASE, None), 0, False, Standing.LIVE),
        (PARCEL.claimed(LEASE, None), 0, True, Standing.TAKE_OVER),
        (PARCEL.claimed(replace(LEASE, until=NOON), None), 1, False, Standing.TAKE_OVER),
        (replace(PARCEL, next_attempt_at=NOON + timedelta(minutes=1)), 0, False, Standing.EARLY),
        (replace(PARCEL, next_attempt_at=NOON + timedelta(milliseconds=900)), 0, False, Standing.FREE),
        (replace(PARCEL, recipients=(replace(QUEUED, status=Status.DELIVERED),)), 0, False, Standing.OVER),
    ],
)
def test_a_task_finds_the_parcel_as_it_stands(parcel: Parcel, ref_claim: int, dead: bool, found: Standing) -> None:
    assert standing(parcel, ParcelRef(ID, 0, ref_claim), NOON, holder_is_dead=dead) is found


def test_a_task_survives_its_body_and_its_name_is_a_lawful_one() -> None:
    task = PARCEL.task()
    assert DeliveryTask.from_body(task.body()) == task
    assert len(task.name) == 64
    assert len({task.name, PARCEL.task(1).name, replace(PARCEL, claim=1).task().name}) == 3


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"queue":1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_task_says_so(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a delivery task"):
        DeliveryTask.from_body(body)


@given(st.binary(min_size=16, max_size=64))
def test_derived_ids_are_uuids_of_version_8(digest: bytes) -> None:
    made = UUID(uuid8(digest))
    assert (made.version, made.variant) == (8, "specified in RFC 4122")
