"""When a destination rests, for how long, and what ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.delivery.health import (
    RESTS,
    SLOW_FOR,
    WELL,
    Health,
    Pace,
    Sign,
    luck_of,
    patience,
    sign_of,
)
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Verdict

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PACE = Pace()


def failing(health: Health, *minutes: float) -> Health:
    """After sessions that began and failed so many minutes past noon."""
    for each in minutes:
        at = NOON + each * MINUTE
        health = health.failed("connection_refused", at, at, PACE)
    return health


def test_three_sessions_in_a_row_that_come_to_nothing_begin_a_rest() -> None:
    assert not failing(WELL, 0, 1).is_resting(NOON + MINUTE)
    resting = failing(WELL, 0, 1, 2)
    assert resting.is_resting(NOON + 2 * MINUTE)
    assert resting.resting_until == NOON + 3 * MINUTE
    assert not resting.is_resting(NOON + 3 * MINUTE)
    assert resting.cause == "connection_refused"


def test_one_that_succeeds_in_between_makes_the_count_begin_anew() -> None:
    assert failing(WELL, 0, 1).answered(NOON) == WELL
    assert not failing(failing(WELL, 0, 1).answered(NOON), 2, 3).is_resting(NOON + 3 * MINUTE)


def test_failures_of_the_same_moment_begin_no_rest_before_those_who_succeed_could_say_so() -> None:
    moment = [0.01 * number for number in range(10)]  # within six seconds
    assert not failing(WELL, *moment).is_resting(NOON + MINUTE)
    assert failing(WELL, *moment, 1 / 6).is_resting(NOON + MINUTE), "at the tenth second everybody could have"


def test_what_fails_again_and_again_writes_nothing_new() -> None:
    assert failing(WELL, 0, 0, 0) == failing(WELL, 0, 0, 0, 0.1)


def test_rests_grow_to_a_quarter_of_an_hour() -> None:
    health, lengths = failing(WELL, 0, 1, 2), []
    for _ in range(7):
        began = health.resting_until
        assert began is not None
        health = health.failed("connection_timeout", began, began, PACE)
        assert health.resting_until is not None
        lengths.append((health.resting_until - began) / MINUTE)
    assert lengths == [2, 5, 10, 15, 15, 15, 15]


def test_rests_are_as_long_as_the_retry_schedule_s_first_delay_makes_a_minute() -> None:
    pace = Pace.of(timedelta(milliseconds=200))
    health = WELL
    for milliseconds in (0, 100, 200):
        at = NOON + timedelta(milliseconds=milliseconds)
        health = health.failed("tls", at, at, pace)
    assert health.resting_until == NOON + timedelta(milliseconds=400)
    assert Pace.of(timedelta(hours=1)).memory == timedelta(seconds=10)


def test_what_was_under_way_when_a_rest_began_prolongs_none() -> None:
    resting = failing(WELL, 0, 1, 2)
    for began in (1.5, 2, 2.9):
        late = resting.failed("connection_timeout", NOON + began * MINUTE, NOON + 4 * MINUTE, PACE)
        assert late == resting


def test_a_rest_ends_with_a_trial_and_a_single_success_clears_it() -> None:
    rested = failing(WELL, 0, 1, 2)
    assert rested.on_trial
    assert rested.answered(NOON + 3 * MINUTE) == WELL
    assert WELL.record() == {}


def test_a_slow_one_stays_slow_for_a_while_though_it_answers() -> None:
    slow = WELL.slowed(NOON, PACE)
    assert slow.is_slow(NOON + SLOW_FOR * MINUTE - SECOND)
    assert not slow.is_slow(NOON + SLOW_FOR * MINUTE)
    assert slow.answered(NOON + MINUTE) == slow
    assert slow.answered(NOON + SLOW_FOR * MINUTE) == WELL
    assert slow.slowed(NOON + MINUTE, PACE) is slow, "what was said a moment ago isn't written again"
    assert slow.slowed(NOON + 6 * MINUTE, PACE).is_slow(NOON + 15 * MINUTE)


def test_the_stored_form_is_read_back_as_it_was() -> None:
    for health in (WELL, failing(WELL, 0), failing(WELL, 0, 1, 2).slowed(NOON, PACE)):
        assert Health.from_record(health.record()) == health


@pytest.mark.parametrize("waited", [timedelta(), MINUTE, timedelta(hours=8)])
def test_who_finds_no_place_asks_less_often_the_longer_he_waits(waited: timedelta) -> None:
    soonest, latest = patience(waited, 0.0, PACE), patience(waited, 0.999, PACE)
    expected = max(5 * SECOND, min(waited / 2, 5 * MINUTE))
    assert 0.7 * expected < soonest < expected < latest < 1.3 * expected


def test_those_that_wait_for_the_end_of_a_rest_come_back_one_after_another() -> None:
    rested = failing(WELL, 0, 1, 2)
    assert WELL.wakes(0.5, PACE) is None
    assert rested.resting_until is not None
    times = [rested.wakes(luck_of(f"letter {number}"), PACE) or NOON for number in range(1000)]
    assert min(times) >= rested.resting_until
    assert max(times) < rested.resting_until + RESTS[0] * MINUTE / 5
    assert len(set(times)) == 1000
    assert luck_of("letter 1") == luck_of("letter 1")


def verdict(fate: Fate, code: int | None = None, cause: str | None = None) -> Verdict:
    return Verdict("b@example.net", fate, None if code is None else Reply(code, ("so it says",)), cause=cause)


@pytest.mark.parametrize(
    ("verdicts", "sign"),
    [
        ([verdict(Fate.ACCEPTED, 250)], Sign.ANSWERED),
        ([verdict(Fate.REFUSED, 550)], Sign.ANSWERED),
        ([verdict(Fate.DEFERRED, 450)], Sign.ANSWERED),
        ([verdict(Fate.REFUSED, cause="no_such_domain")], Sign.ANSWERED),
        ([verdict(Fate.DEFERRED, 421), verdict(Fate.ACCEPTED, 250)], Sign.ANSWERED),
        ([verdict(Fate.DEFERRED, 421)], Sign.FAILED),
        ([verdict(Fate.DEFERRED, 554, "turned_away")], Sign.FAILED),
        *(
            ([verdict(Fate.DEFERRED, cause=cause)], Sign.FAILED)
            for cause in (
                "connection_refused",
                "connection_timeout",
                "connection_lost",
                "dns",
                "unreachable",
                "proxy",
            )
        ),
        # What is ours to mend, or the route's, says nothing of how the destination fares.
        *(
            ([verdict(Fate.DEFERRED, cause=cause)], Sign.NOTHING)
            for cause in ("signing", "no_route", "forbidden_address", "internal_error", "tls")
        ),
        ([verdict(Fate.NOT_ATTEMPTED, cause="connection_lost")], Sign.NOTHING),
        ([verdict(Fate.UNKNOWN, cause="reply_lost")], Sign.NOTHING),
        ([], Sign.NOTHING),
    ],
)
def test_a_verdict_on_an_address_is_a_sign_of_life(verdicts: list[Verdict], sign: Sign) -> None:
    assert sign_of(verdicts) is sign
