"""The table of moves is lawful and complete, and `last_event` speaks only words that Resend's clients know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.status import MOVES, OPEN, Status, UnlawfulMove, last_event, move

RESEND_WORDS = {
    "bounced", "canceled", "complained", "delivered", "delivery_delayed", "failed", "queued", "scheduled", "sent",
    "suppressed",
}  # fmt: skip


def test_every_state_has_its_row_and_every_open_one_a_way_out() -> None:
    assert set(MOVES) == set(Status)
    assert all(MOVES[status] - OPEN for status in OPEN)


def test_what_was_delivered_is_never_sent_again() -> None:
    assert not MOVES[Status.DELIVERED] & OPEN
    with pytest.raises(UnlawfulMove, match="from delivered to queued"):
        move(Status.DELIVERED, Status.QUEUED)


@given(st.lists(st.tuples(st.sampled_from(Status), st.integers(0, 9)), min_size=1))
def test_last_event_is_a_word_that_strict_clients_know(recipients: list[tuple[Status, int]]) -> None:
    assert last_event(recipients) in RESEND_WORDS


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([Status.DELIVERED, Status.BOUNCED], "bounced"),
        ([Status.DELIVERED, Status.DEFERRED], "delivery_delayed"),
        ([Status.SENDING, Status.DELIVERED], "queued"),
        ([Status.UNKNOWN, Status.DELIVERED], "sent"),
        ([Status.EXPIRED], "bounced"),
        ([Status.DELIVERED], "delivered"),
    ],
)
def test_the_worst_news_leads(statuses: list[Status], word: str) -> None:
    assert last_event((status, 1) for status in statuses) == word


def test_a_letter_that_expired_unattempted_failed() -> None:
    assert last_event([(Status.EXPIRED, 0)]) == "failed"
