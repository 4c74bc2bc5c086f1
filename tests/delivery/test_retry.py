"""When a deferred recipient is tried again, and when postroom gives up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.retry import MINUTE, RetryPolicy, hinted

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = RetryPolicy()
HOURLY = RetryPolicy((timedelta(hours=1),))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_the_delays_grow_and_the_last_one_repeats() -> None:
    at = [POLICY.next_attempt(attempts=attempts, due=NOON, now=NOON) for attempts in (1, 2, 3, 7, 8, 20)]
    assert [(each - NOON) / MINUTE for each in at if each] == [1, 5, 15, 240, 240, 240]


def test_a_letter_grows_too_old() -> None:
    old = NOON + timedelta(days=3)
    assert POLICY.next_attempt(attempts=30, due=NOON, now=old - timedelta(hours=5)) == old - timedelta(hours=1)
    assert POLICY.next_attempt(attempts=30, due=NOON, now=old - timedelta(hours=3)) is None


def test_no_attempt_starts_after_the_letter_expires() -> None:
    expires = NOON + minutes(3)
    assert POLICY.next_attempt(attempts=1, due=NOON, now=NOON, expires_at=expires) == NOON + minutes(1)
    assert POLICY.next_attempt(attempts=2, due=NOON, now=NOON, expires_at=expires) is None
    assert not POLICY.too_late(due=NOON, now=expires, expires_at=expires)
    assert POLICY.too_late(due=NOON, now=expires + timedelta(seconds=1), expires_at=expires)


def test_letters_that_were_deferred_together_come_back_one_by_one() -> None:
    at = [POLICY.next_attempt(attempts=4, due=NOON, now=NOON, luck=luck) for luck in (0.0, 0.5, 1.0)]
    assert [(each - NOON) / MINUTE for each in at if each] == [30, 31.5, 33]


def test_what_a_server_asks_for_is_waited_but_the_schedule_is_never_hurried() -> None:
    def waited(hint: timedelta) -> timedelta:
        at = POLICY.next_attempt(attempts=2, due=NOON, now=NOON, hint=hint)
        assert at is not None
        return at - NOON

    assert waited(minutes(20)) == minutes(20)
    assert waited(timedelta(seconds=2)) == minutes(5)
    assert waited(timedelta(days=900)) == timedelta(days=3) - MINUTE


def test_a_hint_makes_no_letter_too_old() -> None:
    expires = NOON + minutes(30)
    at = POLICY.next_attempt(attempts=1, due=NOON, now=NOON, expires_at=expires, hint=timedelta(hours=4))
    assert at == expires - MINUTE


@pytest.mark.parametrize(
    ("policy", "attempts", "hint", "waits"),
    [
        (HOURLY, 1, None, minutes(10)),  # a long schedule is cut short, once
        (HOURLY, 1, minutes(5), minutes(5)),
        (HOURLY, 1, timedelta(seconds=1), MINUTE),
        (HOURLY, 1, timedelta(hours=2), timedelta(hours=2)),
        (HOURLY, 2, minutes(5), timedelta(hours=1)),
        (POLICY, 1, None, MINUTE),
        (POLICY, 1, minutes(5), minutes(5)),
    ],
)
def test_the_first_retry_after_greylisting_comes_when_it_may(
    policy: RetryPolicy, attempts: int, hint: timedelta | None, waits: timedelta
) -> None:
    assert policy.next_attempt(attempts=attempts, due=NOON, now=NOON, hint=hint, greylisted=True) == NOON + waits


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("try again in 300 seconds", minutes(5)),
        ("retry after 5 minutes", minutes(5)),
        ("Greylisting in action, please come back in 00:05:00", minutes(5)),
        ("wait 15 min", minutes(15)),
        ("Recipient address rejected: Greylisted for 300 seconds (see http://isg.ee.ethz.ch/)", minutes(5)),
        ("Recipient address rejected: example.net greylisted for 60 seconds by ZEROSPAM", minutes(1)),
        ("greylisted, retry=00:15:00", minutes(15)),
        ("greylisted, retry=300", minutes(5)),
        ("retry in 1 hour and 30 minutes", minutes(90)),
        ("Try again in 5m30s.", minutes(5.5)),
        ("Please resend at least 2 hours later", minutes(120)),
        ("please try again in 1 day", timedelta(days=1)),
        ("Try again later. No more than 5 messages per 60 minutes", None),
        ("Try again later - see https://example.net/5m/why", None),
        ("deferred, 4.7.1 again", None),
        ("wait 300", None),
        ("it was 300 seconds ago", None),
        ("try again", None),
        ("451 4.7.1 Greylisted, please try again at 12:05:00", None),
        ("Try again later, 72h block for abusers", None),
        ("deferred: 90 days old domain required", None),
    ],
)
def test_servers_say_in_many_ways_how_long_to_wait(words: str, hint: timedelta | None) -> None:
    assert hinted(words) == hint


LENGTHS = st.timedeltas(timedelta(0), timedelta(days=40))
HINTS = st.none() | st.timedeltas(timedelta(0), timedelta(days=999_999))
POLICIES = st.builds(
    RetryPolicy,
    st.lists(st.timedeltas(timedelta(milliseconds=1), timedelta(days=2)), min_size=1).map(
        lambda all_: tuple(sorted(all_))
    ),
    st.timedeltas(timedelta(seconds=1), timedelta(days=10)),
    st.floats(0, 0.5),
)
LUCK = st.floats(0, 1)


@given(POLICIES, st.integers(1, 12), LENGTHS, st.none() | LENGTHS, HINTS, st.booleans(), LUCK)
def test_the_next_attempt_is_never_in_the_past_and_never_after_the_end(
    policy: RetryPolicy,
    attempts: int,
    age: timedelta,
    life: timedelta | None,
    hint: timedelta | None,
    greylisted: bool,
    luck: float,
) -> None:
    now, expires_at = NOON + age, None if life is None else NOON + life
    at = policy.next_attempt(
        attempts=attempts, due=NOON, now=now, expires_at=expires_at, hint=hint, greylisted=greylisted, luck=luck
    )
    bare = replace(policy, spread=0).next_attempt(attempts=attempts, due=NOON, now=now, expires_at=expires_at)
    if at is None:
        assert bare is None  # nothing that a server says makes a letter too old
    else:
        assert at > now
        assert not policy.too_late(due=NOON, now=at, expires_at=expires_at)
        if not greylisted:
            assert bare is not None
            assert at >= bare


@given(POLICIES, st.integers(1, 12), LENGTHS, HINTS, LUCK, LUCK, LENGTHS)
def test_who_is_asked_to_wait_longer_never_comes_sooner(
    policy: RetryPolicy,
    attempts: int,
    age: timedelta,
    hint: timedelta | None,
    luck: float,
    other: float,
    longer: timedelta,
) -> None:
    def at(attempts: int, hint: timedelta | None, luck: float) -> datetime:
        found = policy.next_attempt(attempts=attempts, due=NOON, now=NOON + age, hint=hint, luck=luck)
        return datetime.max.replace(tzinfo=UTC) if found is None else found

    first = at(attempts, hint, min(luck, other))
    assert first <= at(attempts, hint, max(luck, other))
    assert first <= at(attempts + 1, hint, min(luck, other))
    assert first <= at(attempts, min((hint or timedelta(0)) + longer, timedelta(days=999_999)), min(luck, other))


@given(st.text(max_size=300) | st.from_regex(r"(try|wait|greylisted)[ a-z]{0,9}\d{1,9} ?[smhd:]\d{0,9}"))
def test_whatever_a_server_says_a_hint_is_a_time(words: str) -> None:
    hint = hinted(words)
    assert hint is None or timedelta(0) <= hint
    at = POLICY.next_attempt(attempts=1, due=NOON, now=NOON, hint=hint, luck=1.0)
    assert at is not None
    assert at <= NOON + POLICY.give_up_after - MINUTE


def test_a_signature_outlives_the_last_attempt_and_not_by_much() -> None:
    """DKIM's x=: what is replayed later than that verifies nowhere."""
    assert RetryPolicy().give_up_after < RetryPolicy().verifiable_for <= timedelta(days=14)
