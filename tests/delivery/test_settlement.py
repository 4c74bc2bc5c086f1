"""From verdicts to the next record: each recipient has its own state, and the server's own words are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.delivery.parcel import Lease, Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.retry import RetryPolicy
from postroom.delivery.settlement import Settlement, outcome_of
from postroom.delivery.status import Outcome, Status
from postroom.delivery.submission import Submission
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Verdict

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = SubmissionId("5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57")
SUBMISSION = Submission(
    id=ID, created_at=NOON, fingerprint="f", message_id="<x@example.org>", sender="a@example.org", to=("b@example.net",)
)


def parcel(*statuses: Status) -> Parcel:
    recipients = tuple(
        Recipient(address=f"r{number}@example.net", kind="to", status=status, updated_at=NOON, next_attempt_at=NOON)
        for number, status in enumerate(statuses)
    )
    waiting = Parcel(
        submission=ID, number=0, route="mx", destination="example.net", queue="default", recipients=recipients
    )
    return waiting.claimed(Lease("me", NOON, NOON + timedelta(seconds=840)), None)


def settled(*verdicts: Verdict, hold: bool = False, after: timedelta = timedelta(0)) -> Parcel:
    settlement = Settlement(SUBMISSION, RetryPolicy(), NOON + after, "mx.example.net")
    return settlement.settled(replace(parcel(*[Status.QUEUED] * len(verdicts)), hold=hold), verdicts)


def verdict(number: int, fate: Fate, code: int | None = None, text: str = "") -> Verdict:
    return Verdict(f"r{number}@example.net", fate, Reply(code, (text,)) if code else None)


def test_each_recipient_goes_its_own_way() -> None:
    done = settled(
        verdict(0, Fate.ACCEPTED, 250, "2.0.0 Ok: queued as 4bGx2z"),
        verdict(1, Fate.DEFERRED, 450, "4.2.1 not now"),
        verdict(2, Fate.REFUSED, 550, "5.1.1 who?"),
    )
    taken, later, gone = done.recipients
    assert [each.status for each in done.recipients] == [Status.DELIVERED, Status.DEFERRED, Status.BOUNCED]
    assert (taken.response, taken.remote_id, taken.mx) == ("250 2.0.0 Ok: queued as 4bGx2z", "4bGx2z", "mx.example.net")
    assert (gone.code, gone.enhanced_code, gone.cause) == (550, "5.1.1", "no_such_mailbox")
    assert later.next_attempt_at == done.next_attempt_at == NOON + timedelta(minutes=1)
    assert (done.lease, done.attempts, done.open) == (None, 1, True)


def test_what_ended_is_not_touched_by_the_next_attempt() -> None:
    first = settled(verdict(0, Fate.ACCEPTED, 250, "ok"), verdict(1, Fate.DEFERRED, 450, "later"))
    again = first.claimed(Lease("me", NOON, NOON), None)
    done = Settlement(SUBMISSION, RetryPolicy(), NOON).settled(again, [verdict(1, Fate.ACCEPTED, 250, "now")])
    assert done.recipients[0] == first.recipients[0]
    assert done.recipients[1].attempts == 2
    assert not done.open
    assert done.next_attempt_at is None


def test_not_attempted_costs_no_attempt_and_goes_again_at_once() -> None:
    done = settled(verdict(0, Fate.NOT_ATTEMPTED, 421, "busy"))
    assert (done.attempts, done.recipients[0].attempts) == (0, 0)
    assert (done.recipients[0].status, done.next_attempt_at) == (Status.QUEUED, NOON)


def test_who_was_not_asked_about_stays_as_he_was() -> None:
    done = settled(verdict(0, Fate.DEFERRED, 450, "later"), verdict(1, Fate.NOT_ATTEMPTED, 452, "too many"))
    later, waiting = done.recipients
    assert [each.address for each in done.due(NOON)] == [waiting.address]
    again = done.claimed(Lease("me", NOON, NOON), None)
    next_ = Settlement(SUBMISSION, RetryPolicy(), NOON).settled(again, [verdict(1, Fate.DEFERRED, 451, "no")])
    assert next_.recipients[0] == later
    assert next_.recipients[1].status is Status.DEFERRED
    assert next_.next_attempt_at == NOON + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2.0.0 Ok: queued as 4bGx2z", "4bGx2z"),
        ("OK id=1tFabc-0001-2D", "1tFabc-0001-2D"),
        ("ok 1732440000 qp 12345", "12345"),
        ("taken as <x@mx.example.net>", "x@mx.example.net"),
        ("taken as <\x1b[2Jx\u202e>", None),
        ("taken", None),
    ],
)
def test_the_name_that_a_server_gives_the_letter_is_kept(text: str, name: str | None) -> None:
    assert settled(verdict(0, Fate.ACCEPTED, 250, text)).recipients[0].remote_id == name


@pytest.mark.parametrize(("policy", "status"), [("retry", Status.DEFERRED), ("hold", Status.UNKNOWN)])
def test_a_lost_reply_is_never_called_anything_else(policy: str, status: Status) -> None:
    lost = Verdict("r0@example.net", Fate.UNKNOWN, cause="reply_lost")
    done = settled(lost, hold=policy == "hold")
    (recipient,) = done.recipients
    assert (recipient.status, recipient.cause, recipient.possibly_delivered) == (status, "reply_lost", True)
    assert done.open is (policy == "retry")


def test_possibly_delivered_stays_for_good() -> None:
    first = settled(Verdict("r0@example.net", Fate.UNKNOWN, cause="reply_lost"))
    again = first.claimed(Lease("me", NOON, NOON), None)
    done = Settlement(SUBMISSION, RetryPolicy(), NOON).settled(again, [verdict(0, Fate.DEFERRED, 450, "later")])
    assert done.recipients[0].possibly_delivered


def test_the_last_deferral_expires_and_keeps_what_was_said() -> None:
    done = settled(verdict(0, Fate.DEFERRED, 450, "4.2.1 not now"), after=timedelta(days=3))
    (recipient,) = done.recipients
    assert (recipient.status, recipient.response) == (Status.EXPIRED, "450 4.2.1 not now")
    assert done.next_attempt_at is None


def test_a_dead_workers_letter_under_hold_is_not_sent_again() -> None:
    marked = replace(parcel(Status.QUEUED, Status.DEFERRED), hold=True, marked=True)
    waiting = replace(marked.recipients[1], next_attempt_at=NOON + timedelta(hours=1))  # it wasn't asked about
    marked = replace(marked, recipients=(marked.recipients[0], waiting))
    taken, abandoned = marked.taken_over(Lease("other", NOON, NOON), None)
    assert abandoned.outcome is Outcome.ABANDONED
    held, other = taken.recipients
    assert (held.status, held.possibly_delivered, held.cause) == (Status.UNKNOWN, True, "abandoned")
    assert other == waiting
    assert taken.open


@pytest.mark.parametrize(
    ("fates", "outcome"),
    [
        ([Fate.ACCEPTED, Fate.REFUSED], Outcome.ACCEPTED),
        ([Fate.DEFERRED, Fate.REFUSED], Outcome.DEFERRED),
        ([Fate.UNKNOWN, Fate.ACCEPTED], Outcome.UNKNOWN),
        ([Fate.NOT_ATTEMPTED, Fate.REFUSED], Outcome.REFUSED),
        ([Fate.NOT_ATTEMPTED], Outcome.NOT_ATTEMPTED),
    ],
)
def test_an_attempt_has_one_outcome(fates: list[Fate], outcome: Outcome) -> None:
    assert outcome_of([verdict(number, fate) for number, fate in enumerate(fates)]) is outcome
