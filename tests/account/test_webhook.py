"""Webhooks and events as they are stored, and what signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from postroom.account.event import LONGEST_RESPONSE, MOST_POSTS, Event, Post, Told, shown
from postroom.account.webhook import OVERLAP, TYPES, State, Webhook

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
WEBHOOK = Webhook(
    id="one", endpoint="https://shop.example/hook", events=("email.sent",), secrets=("a",), created_at=NOON
)
EVENT = Event(id="e", type="email.sent", created_at=NOON, parcel=("letter", 0, 2))
REFUSED = Post(sent_at=NOON, milliseconds=7, status=500, response="no")


def test_they_are_read_as_they_were_stored() -> None:
    rotated = WEBHOOK.rotated("b", NOON).disabled("it answered 410")
    assert rotated.status is State.DISABLED
    for webhook in (WEBHOOK, rotated):
        assert Webhook.from_record(webhook.record()) == webhook
    told = EVENT.after(REFUSED, Told.PENDING, NOON + timedelta(seconds=5))
    for event in (EVENT, told, Event(id="e", type="domain.created", created_at=NOON, data={"name": "shop.example"})):
        assert Event.from_record(event.record()) == event


def test_a_secret_that_was_rotated_out_signs_along_for_a_day() -> None:
    rotated = WEBHOOK.rotated("b", NOON)
    assert WEBHOOK.signers(NOON) == ("a",)
    assert rotated.signers(NOON) == ("b", "a")
    assert rotated.signers(NOON + OVERLAP - timedelta(seconds=1)) == ("b", "a")
    assert rotated.signers(NOON + OVERLAP) == ("b",)
    assert rotated.rotated("c", NOON + OVERLAP).secrets == ("c", "b")


def test_however_often_it_is_rotated_few_secrets_sign() -> None:
    rotated = WEBHOOK
    for number in range(10):
        rotated = rotated.rotated(str(number), NOON)
    assert rotated.signers(NOON) == ("9", "8", "7")


def test_an_event_is_told_again_by_the_whole_schedule() -> None:
    failed = EVENT.after(REFUSED, Told.FAILED)
    again = failed.again(NOON)
    assert (again.status, again.tries, again.next_attempt_at) == (Told.PENDING, 0, NOON)
    assert again.posts == (REFUSED,)


def test_of_many_attempts_the_last_are_remembered() -> None:
    event = EVENT
    for number in range(MOST_POSTS + 5):
        event = event.after(Post(sent_at=NOON, milliseconds=number), Told.PENDING)
    assert [each.milliseconds for each in event.posts] == list(range(5, MOST_POSTS + 5))
    assert event.tries == MOST_POSTS + 5


def test_of_an_answer_one_line_of_printable_characters_is_shown() -> None:
    assert shown(b"\x1b[31mno\r\n\xff\x00 caf\xc3\xa9") == "\\x1b[31mno\\r\\n\\xff\\x00 café"
    assert shown(b"") == ""
    for long in (b"x" * 10_000, b"\x00" * 10_000, "é".encode() * 10_000):
        assert len(shown(long)) == LONGEST_RESPONSE


def test_no_type_is_named_twice() -> None:
    assert len(set(TYPES)) == len(TYPES)
