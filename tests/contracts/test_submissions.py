"""The contract of `Submissions`: create, claim, settle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from postroom.claims import Claimed, Claims, Early, Live, Over
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Outcome, Status
from postroom.delivery.task import ParcelRef
from postroom.ports import Cursor, Submissions
from tests.contracts.samples import (
    FRANKING,
    LETTER,
    MINUTE,
    NOON,
    attempt,
    claimed,
    deferred,
    delivered,
    franked,
    lease,
    ref,
    submission,
    unfranked,
)
from tests.contracts.threads import at_once


def test_what_is_created_can_be_read(submissions: Submissions) -> None:
    letter = submission(destinations=("example.org", "example.net"))
    assert submissions.create(letter, LETTER) == letter
    assert submissions.get(letter.id) == letter
    assert submissions.letter(letter.id) == LETTER


def test_what_was_never_created_is_not_there(submissions: Submissions, claims: Claims) -> None:
    for nowhere in ("8ef7dd4c-5d0f-4a3b-9b39-9d0c3f1f7a11", "", "no such id", "\ud800"):
        assert submissions.get(SubmissionId(nowhere)) is None
        assert submissions.letter(SubmissionId(nowhere)) is None
        assert claims.claim(ParcelRef(SubmissionId(nowhere), 0, 0), lease(), unfranked) is None


def test_creating_twice_hands_back_the_first_and_changes_nothing(submissions: Submissions) -> None:
    first = submissions.create(submission(), LETTER)
    second = replace(first, fingerprint="f2", subject="Another", parcels=())
    assert submissions.create(second, b"another letter") == first
    assert submissions.get(first.id) == first
    assert submissions.letter(first.id) == LETTER


def test_of_many_who_create_one_id_at_once_one_does(submissions: Submissions) -> None:
    letter = submission()
    stored = at_once(8, lambda n: submissions.create(replace(letter, subject=str(n)), f"letter {n}".encode()))
    assert len(set(stored)) == 1
    assert submissions.get(letter.id) == stored[0]
    assert submissions.letter(letter.id) == f"letter {stored[0].subject}".encode()
    assert len(submissions.list(Cursor()).items) == 1


def test_any_text_comes_back_as_it_was(submissions: Submissions, claims: Claims) -> None:
    for text in ("Grüße 👩‍🚀", "half of a pair \ud83d", "nul \0 tab \t", "'; DROP TABLE submissions; --", "e\u0301 é"):
        stored = submissions.create(submission(subject=text), LETTER)
        assert submissions.get(stored.id) == stored
        mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
        assert claims.settle(delivered(mine), attempt(mine, text=text))
        assert submissions.attempts(stored.id, Cursor()).items[0].transcript[1].text == text


def test_large_letters_come_back_byte_for_byte(submissions: Submissions) -> None:
    for size in (0, 262_144, 262_145, 3_000_000):
        packed = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        stored = submissions.create(submission(), packed)
        assert submissions.create(stored, packed) == stored
        assert submissions.letter(stored.id) == packed


def test_another_large_letter_under_the_same_id_overwrites_nothing(submissions: Submissions) -> None:
    first = submissions.create(submission(), b"1" * 300_000)
    assert submissions.create(replace(first, fingerprint="f2"), b"2" * 300_000) == first
    assert submissions.letter(first.id) == b"1" * 300_000


def test_a_letter_to_150_domains_is_kept_parcel_by_parcel(submissions: Submissions, claims: Claims) -> None:
    letter = submission(destinations=map("{}.example".format, range(150)))
    assert submissions.create(letter, LETTER) == letter
    assert submissions.create(replace(letter, fingerprint="f2"), LETTER) == letter
    mine = claimed(claims.claim(ref(letter.parcels[149]), lease(), unfranked)).parcel
    assert claims.settle(delivered(mine), attempt(mine))
    after = submissions.get(letter.id)
    assert after is not None
    assert after.parcels == (*letter.parcels[:149], delivered(mine))
    assert submissions.list(Cursor()).items == (after,)
    assert submissions.attempts(letter.id, Cursor()).items == (attempt(mine),)


def test_a_claim_hands_out_the_head_and_the_parcel(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(destinations=("example.org", "example.net")), LETTER)
    answer = claimed(claims.claim(ref(stored.parcels[1]), lease(), franked))
    assert answer.submission == replace(stored, parcels=())
    assert answer.parcel == stored.parcels[1].claimed(lease(), FRANKING)
    assert not answer.taken_over
    after = submissions.get(stored.id)
    assert after is not None
    assert after.parcels == (stored.parcels[0], answer.parcel)


def test_a_second_claim_of_the_same_parcel_finds_it_live(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    first = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    second = claims.claim(ref(stored), lease("worker-2", NOON + MINUTE), unfranked)
    assert isinstance(second, Live)
    assert second.parcel == first
    assert NOON + MINUTE < second.until <= lease().until


def test_of_many_who_claim_at_once_one_gets_it(submissions: Submissions, claims: Claims) -> None:
    for _ in range(5):
        stored = submissions.create(submission(), LETTER)
        name = ref(stored)
        answers = at_once(8, lambda n, name=name: claims.claim(name, lease(f"worker-{n}"), unfranked))  # type: ignore[misc]
        assert sorted(type(answer).__name__ for answer in answers) == ["Claimed"] + ["Live"] * 7


def test_parcels_of_one_letter_are_claimed_apart(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(destinations=map("{}.example".format, range(8))), LETTER)
    answers = at_once(8, lambda n: claims.claim(ref(stored.parcels[n]), lease(f"worker-{n}"), unfranked))
    assert all(isinstance(answer, Claimed) for answer in answers)


def test_what_is_settled_is_over(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), franked)).parcel
    after = delivered(mine)
    assert claims.settle(after, attempt(mine))
    assert claims.claim(ref(stored), lease("worker-2"), unfranked) == Over(after)
    assert claims.claim(ref(after), lease("worker-2"), unfranked) == Over(after)  # nothing is left to do
    assert submissions.attempts(stored.id, Cursor()).items == (attempt(mine),)


def test_settling_twice_is_refused_and_changes_nothing(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    assert claims.settle(deferred(mine, NOON + MINUTE), attempt(mine))
    assert not claims.settle(delivered(mine), attempt(mine, text="250 again"))
    after = submissions.get(stored.id)
    assert after is not None
    assert after.parcels == (deferred(mine, NOON + MINUTE),)
    assert submissions.attempts(stored.id, Cursor()).items == (attempt(mine),)


def test_what_nobody_claimed_can_not_be_settled(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    assert not claims.settle(delivered(stored.parcels[0]), None)
    assert not claims.settle(delivered(submission().parcels[0]), None)
    assert submissions.get(stored.id) == stored


def test_a_claim_may_be_written_without_an_attempt_and_without_ending_it(
    submissions: Submissions, claims: Claims
) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    assert claims.settle(replace(mine, generation=7), None)
    assert isinstance(claims.claim(ref(stored), lease("worker-2"), unfranked), Live)
    assert claims.settle(delivered(mine), None)
    assert submissions.attempts(stored.id, Cursor()).items == ()


def test_a_claim_before_its_time_is_early(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
    later = deferred(mine, NOON + 5 * MINUTE)
    assert claims.settle(later, attempt(mine))
    assert claims.claim(ref(later), lease(since=NOON + 4 * MINUTE), unfranked) == Early(later)
    almost = NOON + 5 * MINUTE - timedelta(milliseconds=900)  # queues that count in whole seconds may be early
    assert isinstance(claims.claim(ref(later), lease(since=almost), unfranked), Claimed)


def test_what_the_first_claim_froze_stays_frozen(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    mine = claimed(claims.claim(ref(stored), lease(), franked)).parcel
    later = deferred(mine, NOON)
    assert claims.settle(later, attempt(mine))
    again = claimed(claims.claim(ref(later), lease(), lambda _: replace(FRANKING, selectors=("three",)))).parcel
    assert again.franking == FRANKING
    assert again.claim == 2
    assert again.first_attempt_at == NOON


def test_a_claim_whose_lease_is_over_is_taken_over(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    dead = claimed(claims.claim(ref(stored), lease(minutes=1), unfranked)).parcel
    answer = claimed(claims.claim(ref(stored), lease("worker-2", NOON + MINUTE), unfranked))
    assert answer.taken_over
    assert answer.parcel.claim == 2
    assert [each.possibly_delivered for each in answer.parcel.recipients] == [True]
    (abandoned,) = submissions.attempts(stored.id, Cursor()).items
    assert (abandoned.claim, abandoned.outcome) == (dead.claim, Outcome.ABANDONED)


def test_a_worker_that_wakes_after_it_was_taken_over_settles_nothing(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    late = claimed(claims.claim(ref(stored), lease(minutes=1), unfranked)).parcel
    new = claimed(claims.claim(ref(stored), lease("worker-2", NOON + MINUTE), unfranked)).parcel
    assert not claims.settle(delivered(late), attempt(late))
    assert claims.settle(delivered(new), attempt(new))
    after = submissions.get(stored.id)
    assert after is not None
    assert after.parcels == (delivered(new),)
    outcomes = {each.claim: each.outcome for each in submissions.attempts(stored.id, Cursor()).items}
    assert outcomes == {1: Outcome.ABANDONED, 2: Outcome.ACCEPTED}


def test_a_marked_claim_that_is_taken_over_is_in_doubt_and_an_unmarked_one_is_not(
    submissions: Submissions, claims: Claims
) -> None:
    for marked in (True, False):
        letter = submission()
        letter = replace(letter, parcels=tuple(replace(each, hold=True) for each in letter.parcels))
        stored = submissions.create(letter, LETTER)
        mine = claimed(claims.claim(ref(stored), lease(), unfranked)).parcel
        assert not marked or claims.mark(mine)
        later = lease("worker-2", NOON + 20 * MINUTE)
        theirs = claimed(claims.claim(ref(mine), later, unfranked)).parcel
        assert theirs.recipients[0].possibly_delivered is marked
        assert not theirs.marked
        assert not claims.mark(mine), "a claim that was lost can't be marked"
        assert [each.status for each in theirs.recipients] == [Status.UNKNOWN if marked else Status.QUEUED]
        assert claims.mark(theirs)
        assert claims.settle(replace(theirs, lease=None), None)
        assert not claims.mark(theirs), "nor one that was settled"


def test_of_many_who_take_over_at_once_one_does(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    claimed(claims.claim(ref(stored), lease(minutes=1), unfranked))
    answers = at_once(8, lambda n: claims.claim(ref(stored), lease(f"heir-{n}", NOON + MINUTE), unfranked))
    assert sorted(type(answer).__name__ for answer in answers) == ["Claimed"] + ["Live"] * 7
    assert len(submissions.attempts(stored.id, Cursor()).items) == 1


def test_a_reader_sees_the_recipients_of_a_claimed_parcel_as_sending(submissions: Submissions, claims: Claims) -> None:
    stored = submissions.create(submission(), LETTER)
    claimed(claims.claim(ref(stored), lease(), unfranked))
    after = submissions.get(stored.id)
    assert after is not None
    assert [each.status for each in after.recipients] == [Status.SENDING]
