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
from postroom.smtp.verdict import Fate, Stage, Verdict

POLICY = RetryPolicy(spread=0)
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
    settlement = Settlement(SUBMISSION, POLICY, NOON + after, "mx.example.net")
    return settlement.settled(replace(parcel(*[Status.QUEUED] * len(verdicts)), hold=hold), verdicts)


def verdict(number: int, fate: Fate, code: int | None = None, text: str = "") -> Verdict:
    return Verdict(f"r{number}@example.net", fate, Reply(code, (text,)) if code else None, stage=Stage.RCPT)


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
    done = Settlement(SUBMISSION, POLICY, NOON).settled(again, [verdict(1, Fate.ACCEPTED, 250, "now")])
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
    next_ = Settlement(SUBMISSION, POLICY, NOON).settled(again, [verdict(1, Fate.DEFERRED, 451, "no")])
    assert next_.recipients[0] == later
    assert next_.recipients[1].status is Status.DEFERRED
    assert next_.next_attempt_at == NOON + timedelta(minutes=1)


def test_a_refusal_for_good_that_is_over_some_day_is_tried_again() -> None:
    refusals = [verdict(0, Fate.REFUSED, 552, "5.2.2 over quota"), verdict(1, Fate.REFUSED, 550, "5.1.1 who?")]
    full, gone = settled(*refusals).recipients
    assert (full.status, full.cause, full.code, full.enhanced_code) == (Status.DEFERRED, "mailbox_full", 552, "5.2.2")
    assert full.next_attempt_at == NOON + timedelta(minutes=1)
    assert gone.status is Status.BOUNCED
    assert outcome_of(refusals) is Outcome.DEFERRED
    assert outcome_of(refusals[1:]) is Outcome.REFUSED


def test_a_refusal_of_our_own_is_for_good() -> None:
    ours = Verdict("r0@example.net", Fate.REFUSED, note="it is too large", enhanced="5.3.4", cause="size")
    (recipient,) = settled(ours).recipients
    assert (recipient.status, recipient.cause) == (Status.BOUNCED, "size")


def test_each_recipient_waits_as_long_as_its_server_asks() -> None:
    done = settled(
        verdict(0, Fate.DEFERRED, 451, "4.7.1 Greylisting in action, please come back in 00:05:00"),
        verdict(1, Fate.DEFERRED, 450, "4.2.1 try again in 10 minutes"),
        verdict(2, Fate.DEFERRED, 450, "4.2.1 not now"),
    )
    assert [each.next_attempt_at for each in done.recipients] == [NOON + timedelta(minutes=n) for n in (5, 10, 1)]
    assert done.next_attempt_at == NOON + timedelta(minutes=1)


def test_a_long_schedule_is_cut_short_for_greylisting_once() -> None:
    hourly = RetryPolicy((timedelta(hours=1),), spread=0)
    grey = [verdict(0, Fate.DEFERRED, 451, "4.7.1 greylisted")]
    first = Settlement(SUBMISSION, hourly, NOON).settled(parcel(Status.QUEUED), grey)
    assert first.next_attempt_at == NOON + timedelta(minutes=10)
    again = first.claimed(Lease("me", NOON, NOON), None)
    assert Settlement(SUBMISSION, hourly, NOON).settled(again, grey).next_attempt_at == NOON + timedelta(hours=1)


def test_parcels_that_were_deferred_together_are_drawn_apart_and_a_replay_draws_the_same() -> None:
    spread = Settlement(SUBMISSION, RetryPolicy(), NOON)

    def at(number: int) -> set[datetime | None]:
        later = [verdict(0, Fate.DEFERRED, 450, "later"), verdict(1, Fate.DEFERRED, 450, "later")]
        done = spread.settled(replace(parcel(Status.QUEUED, Status.QUEUED), number=number), later)
        return {each.next_attempt_at for each in done.recipients}

    moments = [at(number) for number in range(100)]
    assert all(len(each) == 1 for each in moments)  # those of one parcel stay together
    apart = {moment for each in moments for moment in each if moment}
    assert len(apart) > 95
    assert NOON + timedelta(seconds=60) <= min(apart) < max(apart) <= NOON + timedelta(seconds=66)
    assert moments == [at(number) for number in range(100)]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(554, ("5.7.1 blocked using zen.spamhaus.org",)), "blocklisted"),
        (Reply(421, ("4.7.0 too many connections",)), "rate_limited"),
        (Reply(554, ("5.3.2 no mail here",)), "turned_away"),
        (Reply(550, ("5.1.1 no such user",)), "turned_away"),
    ],
)
def test_who_turns_us_away_may_say_that_it_is_for_us(reply: Reply, cause: str) -> None:
    (recipient,) = settled(
        Verdict("r0@example.net", Fate.DEFERRED, reply, "turned away", cause="turned_away")
    ).recipients
    assert (recipient.status, recipient.cause) == (Status.DEFERRED, cause)


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
    done = Settlement(SUBMISSION, POLICY, NOON).settled(again, [verdict(0, Fate.DEFERRED, 450, "later")])
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
