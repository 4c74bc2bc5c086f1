"""When a deferred recipient is tried again, and when postroom gives up."""

from datetime import UTC, datetime, timedelta

from postroom.delivery.retry import RetryPolicy

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = RetryPolicy()


def test_the_delays_grow_and_the_last_one_repeats() -> None:
    at = [POLICY.next_attempt(attempts=attempts, due=NOON, now=NOON) for attempts in (1, 2, 3, 7, 8, 20)]
    minutes = [(each - NOON) / timedelta(minutes=1) for each in at if each]
    assert minutes == [1, 5, 15, 240, 240, 240]


def test_a_letter_grows_too_old() -> None:
    old = NOON + timedelta(days=3)
    assert POLICY.next_attempt(attempts=30, due=NOON, now=old - timedelta(hours=5)) == old - timedelta(hours=1)
    assert POLICY.next_attempt(attempts=30, due=NOON, now=old - timedelta(hours=3)) is None


def test_no_attempt_starts_after_the_letter_expires() -> None:
    expires = NOON + timedelta(minutes=3)
    assert POLICY.next_attempt(attempts=1, due=NOON, now=NOON, expires_at=expires) == NOON + timedelta(minutes=1)
    assert POLICY.next_attempt(attempts=2, due=NOON, now=NOON, expires_at=expires) is None
    assert not POLICY.too_late(due=NOON, now=expires, expires_at=expires)
    assert POLICY.too_late(due=NOON, now=expires + timedelta(seconds=1), expires_at=expires)
