"""The contract of claims over any home: taken back, put off, and who is first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from postroom.claims import Claimed, Claims, Early, Live, Over
from postroom.delivery.parcel import Parcel
from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from postroom.ports import Cursor, Submissions
from tests.contracts.samples import (
    LETTER,
    MINUTE,
    NOON,
    attempt,
    claimed,
    deferred,
    delivered,
    lease,
    ref,
    submission,
    unfranked,
)
from tests.contracts.threads import at_once


def stored_parcel(submissions: Submissions, of: Submission) -> Parcel:
    found = submissions.find(of.id, 0)
    assert found is not None
    return found.parcel


def unknown(mine: Parcel) -> Parcel:
    """The parcel as its worker settles it when the reply was lost and is held."""
    recipients = tuple(
        each.sending(NOON).moved(Status.UNKNOWN, NOON, possibly_delivered=True) for each in mine.recipients
    )
    return replace(mine, lease=None, recipients=recipients, attempts=mine.attempts + 1, next_attempt_at=None)


def scheduled(submissions: Submissions, *destinations: str) -> Submission:
    """A letter that waits for one o'clock."""
    at = NOON + 60 * MINUTE
    letter = submission(destinations=destinations or ("example.org",))
    parcels = tuple(
        replace(
            each,
            scheduled_at=at,
            next_attempt_at=at,
            recipients=tuple(replace(r, status=Status.SCHEDULED, next_attempt_at=at) for r in each.recipients),
        )
        for each in letter.parcels
    )
    return submissions.create(replace(letter, parcels=parcels), LETTER)


def test_what_is_cancelled_is_never_claimed(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    back = claims.cancel(stored.id, 0, NOON)
    assert back is not None
    assert [each.status for each in back.recipients] == [Status.CANCELED]
    assert claims.claim(ref(stored), lease(), unfranked) == Over(back)
    assert claims.cancel(stored.id, 0, NOON) is None, "it was taken back already"


def test_what_is_claimed_can_not_be_cancelled(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    assert claims.cancel(stored.id, 0, NOON) is None
    assert claims.settle(deferred(mine, NOON + MINUTE), attempt(mine))
    assert claims.cancel(stored.id, 0, NOON) is not None, "between two attempts it can"


def test_a_cancel_and_a_claim_at_once_are_never_both_told_yes(submissions: Submissions, claims: Claims) -> None:
    for _ in range(10):
        stored = submissions.create(submission(), LETTER)
        name = ref(stored)

        def one(number: int, stored: Submission = stored, name=name) -> object:  # type: ignore[no-untyped-def]
            if number % 2:
                return claims.cancel(stored.id, 0, NOON)
            return claims.claim(name, lease(f"worker-{number}"), unfranked)

        answers = at_once(8, one)
        cancelled = [each for each in answers[1::2] if each is not None]
        taken = [each for each in answers[::2] if isinstance(each, Claimed)]
        assert len(cancelled) + len(taken) == 1


def test_a_letter_of_several_parcels_is_cancelled_parcel_by_parcel(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(destinations=("example.org", "example.net")), LETTER)
    claimed(claims.claim(ref(stored.parcels[0]), lease(), unfranked))
    assert claims.cancel(stored.id, 0, NOON) is None
    assert claims.cancel(stored.id, 1, NOON) is not None
    assert claims.cancel(stored.id, 2, NOON) is None, "there is no third"
    after = submissions.get(stored.id)
    assert after is not None
    assert [each.status for each in after.recipients] == [Status.SENDING, Status.CANCELED]


def test_what_is_scheduled_is_early_until_its_time_and_then_sent(submissions: Submissions, claims: Claims) -> None:
    stored = scheduled(submissions)
    assert isinstance(claims.claim(ref(stored), lease(), unfranked), Early)
    mine = claimed(claims.claim(ref(stored), lease(since=NOON + 60 * MINUTE), unfranked)).parcel
    sent = replace(mine, lease=None, recipients=tuple(each.sending(NOON) for each in mine.recipients))
    assert claims.settle(sent, None)


def test_rescheduled_twice_it_is_sent_at_the_last_time_alone(submissions: Submissions, claims: Claims) -> None:
    stored = scheduled(submissions)
    later, sooner = NOON + 120 * MINUTE, NOON + 10 * MINUTE
    put_off = claims.reschedule(stored.id, 0, later, NOON)
    assert put_off is not None
    brought_forward = claims.reschedule(stored.id, 0, sooner, NOON)
    assert brought_forward is not None
    names = {each.task().name for each in (stored.parcels[0], put_off, brought_forward)}
    assert len(names) == 3, "no tombstone swallows the new task"
    for old in (stored.parcels[0], put_off, brought_forward):  # whichever task comes, the record says when
        assert isinstance(claims.claim(ref(old), lease(since=sooner - MINUTE), unfranked), Early)
    mine = claimed(claims.claim(ref(brought_forward), lease(since=sooner), unfranked)).parcel
    assert claims.settle(delivered(mine), attempt(mine))
    for old in (stored.parcels[0], put_off):  # and the stale ones come too late
        assert isinstance(claims.claim(ref(old), lease(since=later), unfranked), Over)


def test_what_is_on_its_way_is_not_rescheduled(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    assert claims.reschedule(stored.id, 0, NOON + MINUTE, NOON) is None, "it was never scheduled"
    waiting = scheduled(submissions)
    claimed(claims.claim(ref(waiting), lease(since=NOON + 60 * MINUTE), unfranked))
    assert claims.reschedule(waiting.id, 0, NOON + 90 * MINUTE, NOON) is None, "it is claimed"


def test_a_new_time_is_kept_with_each_parcel_and_seen_with_the_letter(submissions: Submissions, claims: Claims) -> None:
    stored = scheduled(submissions, "example.org", "example.net")
    assert submissions.get(stored.id) == stored
    sooner = NOON + 10 * MINUTE
    for number in (0, 1):
        assert claims.reschedule(stored.id, number, sooner, NOON) is not None
    after = submissions.get(stored.id)
    assert after is not None
    assert after.scheduled_at == sooner
    assert [after.date_of(each) for each in after.parcels] == [sooner, sooner]
    found = submissions.find(stored.id, 1)
    assert found is not None
    assert found.submission.date_of(found.parcel) == sooner, "its worker knows it as well"


def test_what_was_held_is_put_back_and_claimed_once_more(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    assert claims.retry(stored.id, 0, NOON) is None, "it waits"
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    assert claims.retry(stored.id, 0, NOON) is None, "it is on its way"
    assert claims.settle(unknown(mine), attempt(mine))
    again = claims.retry(stored.id, 0, NOON + MINUTE)
    assert again is not None
    assert stored_parcel(submissions, stored) == again
    assert [(each.status, each.possibly_delivered) for each in again.recipients] == [(Status.QUEUED, True)]
    assert claims.retry(stored.id, 0, NOON + MINUTE) is None, "once is enough"
    mine = claimed(claims.claim(ref(again), lease(since=NOON + MINUTE), unfranked)).parcel
    assert claims.settle(delivered(mine), attempt(mine, started_at=NOON + MINUTE))
    assert claims.retry(stored.id, 0, NOON + 2 * MINUTE) is None, "it is delivered"


def test_of_many_who_put_a_letter_back_or_take_it_back_at_once_one_is_first(
    submissions: Submissions, claims: Claims
) -> None:
    for _ in range(5):
        stored = submissions.create(submission(), LETTER)
        mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
        assert claims.settle(unknown(mine), attempt(mine))
        put_back = at_once(8, lambda _, id_=stored.id: claims.retry(id_, 0, NOON + MINUTE))  # type: ignore[misc]
        assert len([each for each in put_back if each is not None]) == 1
        name = ref(stored_parcel(submissions, stored))

        def one(number: int, stored: Submission = stored, name=name) -> object:  # type: ignore[no-untyped-def]
            if number % 2:
                return claims.cancel(stored.id, 0, NOON + MINUTE)
            return claims.claim(name, lease(f"worker-{number}", NOON + MINUTE), unfranked)

        answers = at_once(8, one)
        cancelled = [each for each in answers[1::2] if each is not None]
        taken = [each for each in answers[::2] if isinstance(each, Claimed)]
        assert len(cancelled) + len(taken) == 1


def test_a_change_over_an_old_version_changes_nothing(submissions: Submissions) -> None:
    stored = submissions.create(submission(), LETTER)
    read = stored_parcel(submissions, stored)
    first = submissions.change(replace(read, generation=1))
    assert first is not None
    assert submissions.change(replace(read, generation=2), attempt(read)) is None
    assert stored_parcel(submissions, stored).generation == 1
    assert submissions.attempts(stored.id, Cursor()).items == ()
    assert submissions.change(replace(first, generation=3)) is not None, "a change hands out the next version"
    assert stored_parcel(submissions, stored).generation == 3


def test_to_settle_again_what_an_error_left_in_doubt_is_safe(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    for _ in range(2):  # the first answer was lost on its way
        assert claims.settle(deferred(mine, NOON + MINUTE), attempt(mine))
    assert not claims.settle(delivered(mine), attempt(mine)), "another outcome is another matter"
    assert submissions.attempts(stored.id, Cursor()).items == (attempt(mine),)


def test_of_many_changes_over_one_version_one_is_made(submissions: Submissions) -> None:
    for destinations in (("example.org",), ("example.org", "example.net")):
        stored = submissions.create(submission(destinations=destinations), LETTER)
        read = stored_parcel(submissions, stored)
        made = at_once(8, lambda n, read=read: submissions.change(replace(read, generation=n + 1)))  # type: ignore[misc]
        (winner,) = [each for each in made if each is not None]
        assert stored_parcel(submissions, stored).generation == winner.generation


def test_many_attempts_are_all_kept(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(destinations=("example.org", "example.net")), LETTER)
    for parcel in stored.parcels:
        at = NOON
        for number in range(5):
            mine = claimed(claims.claim(ref(parcel), lease(since=at), unfranked)).parcel
            at += MINUTE
            parcel = deferred(mine, at)
            assert claims.settle(parcel, attempt(mine, started_at=at, text=f"451 not now ({number})"))
    kept = submissions.attempts(stored.id, Cursor(limit=100)).items
    assert len(kept) == 10
    assert [each.started_at for each in kept] == sorted((each.started_at for each in kept), reverse=True)
    assert {(each.parcel, each.number) for each in kept} == {(p, n) for p in range(2) for n in range(1, 6)}


def test_a_long_conversation_is_kept_whole(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    long = attempt(mine, text="".join(map(chr, range(0x4E00, 0x9000))))
    assert claims.settle(delivered(mine), long)
    assert submissions.attempts(stored.id, Cursor()).items == (long,)


def test_a_living_workers_claim_is_looked_at_again_when_its_lease_ends(
    submissions: Submissions, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    claimed(claims.claim(ref(stored), lease("me", minutes=0.05), unfranked))
    answer = claims.claim(ref(stored), lease("me", since=NOON + timedelta(seconds=1)), unfranked)
    assert isinstance(answer, Live)
    assert answer.until == NOON + timedelta(seconds=3)


def test_whoever_is_spared_is_so_with_the_claim_itself(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)

    def spared(parcel: Parcel) -> Parcel:
        assert parcel.lease is not None
        return parcel.with_open(lambda each: each.moved(Status.SUPPRESSED, NOON, cause="manual"))

    mine = claimed(claims.claim(ref(stored), lease(minutes=1), unfranked, spared)).parcel
    assert [each.status for each in mine.recipients] == [Status.SUPPRESSED]
    assert stored_parcel(submissions, stored) == mine
    later = lease("another", since=NOON + 2 * MINUTE)
    taken_over = claimed(claims.claim(ref(stored), later, unfranked)).parcel
    (ann,) = taken_over.recipients
    assert (ann.status, ann.attempts, ann.possibly_delivered) == (Status.SUPPRESSED, 0, False)


def test_what_is_heard_later_is_written_once_nobody_is_at_it(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)

    def complained(parcel: Parcel) -> Parcel | None:
        if parcel.recipients[0].status is not Status.DELIVERED:
            return None
        return replace(parcel, recipients=(parcel.recipients[0].moved(Status.COMPLAINED, NOON),))

    assert claims.report(stored.id, 0, complained) is None
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    assert claims.report(stored.id, 0, complained) is None
    assert claims.settle(delivered(mine), attempt(mine))
    written = claims.report(stored.id, 0, complained)
    assert written is not None
    assert written == stored_parcel(submissions, stored)
    assert written.recipients[0].status is Status.COMPLAINED
    assert claims.report(stored.id, 0, complained) is None, "it is told once"
