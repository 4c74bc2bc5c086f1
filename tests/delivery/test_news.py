"""What webhooks are told of a letter, noted by the update that it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from postroom.delivery.news import event_id, waiting_for, with_news, without
from postroom.delivery.notice import Notice
from postroom.delivery.parcel import Lease, Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALL = {"hook": ("email.sent", "email.scheduled", "email.delivered", "email.delivery_delayed", "email.bounced")}


def parcel(*statuses: Status, attempts: int = 0) -> Parcel:
    recipients = tuple(
        Recipient(address=f"{number}@example.net", kind="to", status=status, updated_at=NOW, attempts=attempts)
        for number, status in enumerate(statuses)
    )
    return Parcel(
        submission=SubmissionId("00000000-0000-0000-0000-000000000001"),
        number=0,
        route="mx",
        destination="example.net",
        queue="mx",
        recipients=recipients,
    )


def moved(before: Parcel, status: Status) -> Parcel:
    later = NOW + timedelta(minutes=1)
    return replace(
        before,
        recipients=tuple(replace(each, status=status, attempts=1, updated_at=later) for each in before.recipients),
    )


def words(of: Parcel) -> list[tuple[int, str]]:
    return [(each.recipient, each.word) for each in of.news]


def test_each_recipient_has_news_of_its_own() -> None:
    settled = with_news(parcel(Status.DELIVERED, Status.BOUNCED, attempts=1), ALL)
    assert words(settled) == [(0, "sent"), (0, "delivered"), (1, "sent"), (1, "bounced")]


def test_nothing_is_noted_where_nobody_listens() -> None:
    quiet = parcel(Status.DELIVERED, attempts=1)
    assert with_news(quiet, {}) is quiet
    assert with_news(quiet, {"hook": ("domain.created",)}).news == ()


def test_the_same_word_is_told_once() -> None:
    deferred = with_news(parcel(Status.DEFERRED, attempts=1), ALL)
    again = with_news(moved(deferred, Status.DEFERRED), ALL)
    delivered = with_news(moved(again, Status.DELIVERED), ALL)
    assert words(delivered) == [(0, "sent"), (0, "delivery_delayed"), (0, "delivered")]
    assert with_news(delivered, ALL) == delivered


def test_a_letter_that_waits_is_scheduled_and_one_that_is_queued_or_canceled_is_no_news() -> None:
    assert words(with_news(parcel(Status.SCHEDULED), ALL)) == [(0, "scheduled")]
    assert words(with_news(parcel(Status.QUEUED), ALL)) == []
    assert words(with_news(parcel(Status.CANCELED), ALL)) == []


def test_a_lost_reply_is_sent_and_no_more() -> None:
    assert words(with_news(parcel(Status.UNKNOWN, attempts=1), ALL)) == [(0, "sent")]


def test_a_parcel_under_a_claim_is_still_changing() -> None:
    claimed = replace(parcel(Status.DELIVERED, attempts=1), lease=Lease("me", NOW, NOW))
    assert with_news(claimed, ALL) is claimed


def test_news_comes_back_from_its_record() -> None:
    settled = with_news(parcel(Status.BOUNCED, attempts=1), ALL)
    assert Parcel.from_record(settled.record()) == settled
    assert "news" not in parcel(Status.QUEUED).record()


def test_each_webhook_waits_by_itself() -> None:
    settled = with_news(parcel(Status.DELIVERED, attempts=1), ALL | {"other": ("email.delivered",)})
    assert waiting_for(settled, "hook") == (0, 1)
    told = without(settled, "hook", (0, 1))
    assert waiting_for(told, "hook") == ()
    assert waiting_for(told, "other") == (1,)
    assert len(told.news) == 2


def test_an_event_has_the_same_id_whenever_it_is_asked_for_and_the_newest_comes_first() -> None:
    deferred = with_news(parcel(Status.DEFERRED, attempts=1), ALL)
    delivered = with_news(moved(deferred, Status.DELIVERED), ALL)
    ids = [event_id(delivered, place) for place in range(3)]
    assert ids[:2] == [event_id(deferred, place) for place in range(2)]
    assert len(set(ids)) == 3
    assert ids[2] < min(ids[:2])


def test_a_notice_comes_back_from_its_body_and_its_turn_changes_its_name() -> None:
    notice = Notice("hook", ((SubmissionId("a"), 1),), ("event",))
    assert Notice.from_body(notice.body()) == notice
    assert notice.name == Notice("hook", ((SubmissionId("a"), 1),), ("event",)).name
    assert notice.name != replace(notice, turn=1).name
