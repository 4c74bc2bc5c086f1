"""What becomes of letters is told to whoever asked for it, once for each recipient and each change."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from postroom.account.event import Told
from postroom.account.webhook import State
from postroom.claims import Claims
from postroom.delivery.actors import Actors
from postroom.delivery.notice import Notice
from postroom.delivery.parcel import Lease, Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.routing import MX_FOR_EVERYTHING
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import NotPosted, Posted, Unavailable
from postroom.remembered import Remembered
from postroom.resting import FIRST, IN_A_ROW
from postroom.smtp.envelope import Mail
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Stage, Verdict
from postroom.sweep import Swept
from tests.usecases.listeners import DELAYS, Heard, Listening, fails, ok, silent
from tests.usecases.office import UseCases, deferred, taken


@pytest.fixture
def listening(office: UseCases) -> Listening:
    return Listening(office)


def send(office: UseCases, *to: str, **options: object) -> Submission:
    """Accepted, and carried once."""
    submission = office.submit(*to, **options)
    run(office)
    return submission


def run(office: UseCases) -> None:
    for task, at in list(office.schedule.put_):
        if at <= office.now:
            office.schedule.put_.remove((task, at))
            office.deliver(task)


def refused(mail: Mail) -> tuple[Verdict, ...]:
    reply = Reply(550, ("5.1.1 no such user",))
    return tuple(Verdict(each, Fate.REFUSED, reply, stage=Stage.RCPT) for each in mail.recipients)


def waiting(office: UseCases, submission: Submission) -> list[str]:
    """The webhooks that are still to be told of something."""
    return [id_ for parcel in office.stored(submission).parcels for each in parcel.news for id_ in each.webhooks]


def test_each_recipient_has_events_of_its_own_in_their_order(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook()
    submission = send(office, "bob@example.net", "cy@example.net", "dan@example.org")
    listening.run()
    assert Counter(listening.heard) == {
        (f"{who}", f"email.{word}"): 1
        for who in ("bob@example.net", "cy@example.net", "dan@example.org")
        for word in ("sent", "delivered")
    }
    for who in ("bob@example.net", "cy@example.net"):
        assert [type_ for to, type_ in listening.heard if to == who] == ["email.sent", "email.delivered"]
    assert waiting(office, submission) == []
    assert {each.status for each in listening.events(webhook)} == {Told.DELIVERED}
    assert all(len(each.posts) == 1 for each in listening.events(webhook))


def test_a_letter_that_nobody_wants_to_hear_of_has_no_news(office: UseCases, listening: Listening) -> None:
    listening.webhook("domain.created")
    submission = send(office)
    assert office.schedule.notices == []
    assert office.stored(submission).parcels[0].news == ()


def test_a_post_is_signed_with_its_webhooks_secret(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    send(office)
    listening.run()
    (heard,) = listening.endpoints.heard
    (secret,) = listening.webhooks.signing_secrets(webhook)
    signed = b".".join((heard.id.encode(), heard.headers["webhook-timestamp"].encode(), heard.body))
    assert heard.headers["webhook-signature"] == f"v1,{b64encode(hmac.digest(secret, signed, 'sha256')).decode()}"
    assert heard.headers["svix-id"] == heard.id == listening.events(webhook)[0].id


def test_a_letter_that_waits_is_told_of_when_it_is_taken(office: UseCases, listening: Listening) -> None:
    listening.webhook()
    office.submit(scheduled_at=office.now + timedelta(hours=1))
    listening.run()
    assert listening.heard == [("bob@example.net", "email.scheduled")]
    office.now += timedelta(hours=1)
    run(office)
    listening.run()
    assert [type_ for _, type_ in listening.heard] == ["email.scheduled", "email.sent", "email.delivered"]


def test_a_letter_that_is_put_off_twice_is_told_of_once(office: UseCases, listening: Listening) -> None:
    listening.webhook()
    office.wire.judge = deferred
    send(office)
    for _ in range(2):
        office.now += timedelta(hours=1)
        run(office)
    office.wire.judge = taken
    office.now += timedelta(hours=1)
    run(office)
    listening.run()
    assert [type_ for _, type_ in listening.heard] == ["email.sent", "email.delivery_delayed", "email.delivered"]


def test_a_refusal_and_a_complaint_are_told_of(tmp_path: Path) -> None:
    office = UseCases(tmp_path, replace(MX_FOR_EVERYTHING, actors=Actors("postroom.test")))
    listening = Listening(office)
    listening.webhook("email.bounced", "email.complained", "email.suppressed")
    send(office, "complained@postroom.test", "suppressed@postroom.test")
    office.wire.judge = refused
    send(office, "nobody@example.net")
    listening.run()
    assert set(listening.heard) == {
        ("complained@postroom.test", "email.complained"),
        ("suppressed@postroom.test", "email.suppressed"),
        ("nobody@example.net", "email.bounced"),
    }
    office.close()


def test_a_webhook_that_came_later_isnt_told_of_what_was(office: UseCases, listening: Listening) -> None:
    send(office)
    listening.webhook()
    assert office.schedule.notices == []
    assert listening.run() == 0


def test_two_webhooks_are_told_by_themselves(office: UseCases, listening: Listening) -> None:
    listening.webhook("email.delivered", endpoint="https://dead.example/")
    good = listening.webhook("email.delivered", endpoint="https://good.example/")
    listening.endpoints.answer = lambda heard: silent(heard) if "dead" in heard.url else ok(heard)
    submission = send(office)
    listening.run()
    assert [each.status for each in listening.events(good)] == [Told.DELIVERED]
    assert good.id not in waiting(office, submission)
    assert len(waiting(office, submission)) == 1


# Attempts that fail.


def test_what_failed_is_tried_again_by_the_schedule_with_the_same_id_and_the_same_octets(
    office: UseCases, listening: Listening
) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = fails
    submission = send(office)
    began = office.now
    listening.run()
    listening.wait()
    listening.endpoints.answer = ok
    listening.wait()
    assert len({(each.id, each.body) for each in listening.endpoints.heard}) == 1
    (event,) = listening.events(webhook)
    assert [each.status for each in event.posts] == [500, 500, 200]
    assert event.status is Told.DELIVERED
    late = [each.sent_at - began for each in event.posts]
    assert timedelta(minutes=1) <= late[1] <= timedelta(minutes=1.1)
    assert timedelta(minutes=6) <= late[2] <= timedelta(minutes=6.6)
    assert waiting(office, submission) == []
    assert office.schedule.notices == []


def test_after_the_schedule_an_event_is_given_up_and_the_webhook_that_took_nothing_is_disabled(
    office: UseCases, listening: Listening
) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = fails
    submission = send(office)
    listening.run()
    for _ in DELAYS:
        listening.wait()
    (event,) = listening.events(webhook)
    assert (event.status, len(event.posts), event.next_attempt_at) == (Told.FAILED, 1 + len(DELAYS), None)
    stored = listening.webhooks.read(webhook.id)
    assert stored is not None
    assert stored.status is State.DISABLED
    assert [id_ for id_, _ in listening.disabled] == [webhook.id]
    assert waiting(office, submission) == []
    assert office.schedule.notices == []


def test_a_webhook_that_takes_others_is_not_disabled_for_one_that_it_never_takes(
    office: UseCases, listening: Listening
) -> None:
    webhook = listening.webhook("email.sent", "email.delivered")
    listening.endpoints.answer = lambda heard: fails(heard) if heard.type == "email.sent" else ok(heard)
    for _ in (*DELAYS, None):
        send(office)
        listening.run()
        office.now += timedelta(hours=1)
    listening.run()
    assert Told.FAILED in {each.status for each in listening.events(webhook)}
    assert listening.disabled == []


def test_an_endpoint_that_is_gone_is_disabled_at_once(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = lambda _: Posted(410, b"")
    send(office)
    listening.run()
    assert listening.disabled == [(webhook.id, "its endpoint answered 410: it is gone")]
    send(office, "later@example.net")
    listening.run()
    assert len(listening.endpoints.heard) == 1


def test_an_endpoint_that_asks_for_peace_gets_it(office: UseCases, listening: Listening) -> None:
    listening.webhook("email.delivered")
    listening.endpoints.answer = lambda _: Posted(429, b"", retry_after=240.0)
    send(office)
    listening.run()
    assert office.schedule.notices[0][1] == office.now + timedelta(minutes=4)
    listening.endpoints.answer = ok
    send(office, "other@example.net")
    listening.run()
    assert len(listening.endpoints.heard) == 1, "nor is it told of anything else"
    office.now += timedelta(minutes=5)
    listening.run()
    assert len(listening.endpoints.heard) == 3


@pytest.mark.parametrize("answer", [Posted(301, b""), Posted(199, b""), Posted(404, b""), NotPosted("TLS failed")])
def test_nothing_but_2xx_is_an_answer(office: UseCases, listening: Listening, answer: Posted | NotPosted) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = lambda _: answer
    send(office)
    listening.run()
    assert [each.status for each in listening.events(webhook)] == [Told.PENDING]


def test_a_dead_endpoint_rests_and_what_waits_for_it_is_not_counted(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = silent
    for number in range(IN_A_ROW):
        send(office, f"{number}@example.net")
        listening.run()
    dialled = len(listening.endpoints.heard)
    late = send(office, "late@example.net")
    listening.run()
    assert len(listening.endpoints.heard) == dialled == IN_A_ROW
    assert len(listening.events(webhook)) == IN_A_ROW
    listening.endpoints.answer = ok
    office.now += 2 * FIRST
    listening.run()
    assert listening.heard[-1] == ("late@example.net", "email.delivered")
    assert waiting(office, late) == []


def test_what_nobody_thought_of_is_a_failed_attempt_of_that_event_alone(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    troubled: list[Exception] = []

    def answer(heard: Heard) -> Posted | NotPosted:
        if heard.recipient == "bob@example.net":
            raise OverflowError("days=99999999999999")
        return ok(heard)

    listening.endpoints.answer = answer
    submission = send(office, "bob@example.net", "cy@example.net")
    ((notice, _),) = office.schedule.notices
    office.schedule.notices.clear()
    listening.notify(notice, troubled=troubled.append)
    told = {each.status: each.posts for each in listening.events(webhook)}
    assert set(told) == {Told.PENDING, Told.DELIVERED}
    assert [each.why for each in told[Told.PENDING]] == ["the attempt failed: OverflowError"]
    assert [type(each) for each in troubled] == [OverflowError]
    assert waiting(office, submission) == [webhook.id]
    for _ in DELAYS:
        listening.wait()
    assert {each.status for each in listening.events(webhook)} == {Told.FAILED, Told.DELIVERED}
    assert office.schedule.notices == []


def test_what_fails_besides_an_attempt_leaves_those_of_others_recorded(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    submissions = [send(office, f"{number}@example.net") for number in range(3)]
    notice = Notice(webhook.id, tuple((each.id, 0) for each in submissions))
    broken = submissions[0].id

    class Broken(Claims):
        def report(
            self, submission: SubmissionId, number: int, changed: Callable[[Parcel], Parcel | None]
        ) -> Parcel | None:
            if submission == broken:
                raise KeyError("sent_at")
            return super().report(submission, number, changed)

    with pytest.raises(KeyError):
        listening.notify(notice, claims=Broken(submissions=office.submissions))
    assert [waiting(office, each) for each in submissions] == [[webhook.id], [], []]


def test_a_webhook_isnt_disabled_that_took_one_before_anybody_knew_that_it_matters(
    office: UseCases, listening: Listening
) -> None:
    """Another process has just seen that nothing had failed, and looks no second time for a while."""
    webhook = listening.webhook("email.delivered")
    elsewhere = replace(listening.webhooks, memory=Remembered(office.directory, 2, lambda: 1.0))
    elsewhere.well(webhook.id)
    listening.endpoints.answer = lambda heard: ok(heard) if heard.recipient == "cy@example.net" else fails(heard)
    send(office, "bob@example.net")
    listening.run()
    office.now += timedelta(seconds=1)
    taken_at = office.now
    send(office, "cy@example.net")
    for notice, at in [each for each in office.schedule.notices if each[1] <= office.now]:
        office.schedule.notices.remove((notice, at))
        listening.notify(notice, webhooks=elsewhere)
    for _ in DELAYS:
        listening.wait()
    assert {each.status for each in listening.events(webhook)} == {Told.FAILED, Told.DELIVERED}
    assert listening.disabled == []
    assert listening.webhooks.failing(webhook.id, office.now) == taken_at
    send(office, "bob@example.net")
    listening.run()
    for _ in DELAYS:
        listening.wait()
    assert [id_ for id_, _ in listening.disabled] == [webhook.id]


def test_why_there_was_no_answer_is_shown_escaped(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = lambda _: NotPosted("it said \x1b[2J\r\n\u202e and more")
    send(office)
    listening.run()
    ((post,),) = (each.posts for each in listening.events(webhook))
    assert post.why == r"it said \x1b[2J\r\n\u202e and more"


# What changes in between.


@pytest.mark.parametrize("how", ["removed", "disabled"])
def test_a_webhook_that_is_gone_waits_for_nothing_any_more(office: UseCases, listening: Listening, how: str) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = fails
    first = send(office)
    listening.run()
    second = send(office, "cy@example.net")
    listening.webhooks.remove(webhook.id) if how == "removed" else listening.webhooks.disable(webhook.id, "by hand")
    office.now += timedelta(minutes=2)
    listening.run()
    assert len(listening.endpoints.heard) == 1
    assert waiting(office, first) == waiting(office, second) == []
    assert [each.status for each in listening.events(webhook)] == [Told.FAILED]
    assert office.schedule.notices == []


def test_a_letter_that_was_erased_is_told_of_no_more(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    listening.endpoints.answer = fails
    submission = send(office)
    listening.run()
    office.submissions.erase(office.stored(submission).stripped())
    listening.wait()
    assert len(listening.endpoints.heard) == 1
    assert [each.status for each in listening.events(webhook)] == [Told.FAILED]
    assert office.schedule.notices == []


def test_an_event_that_was_delivered_stays_so_where_its_letter_is_erased_before_it_is_replayed(
    office: UseCases, listening: Listening
) -> None:
    webhook = listening.webhook("email.delivered")
    submission = send(office)
    listening.run()
    (event,) = listening.events(webhook)
    assert listening.log.replay(webhook.id, event.id) is not None
    office.submissions.erase(office.stored(submission).stripped())
    listening.notify(Notice(webhook.id, events=(event.id,)))
    (left,) = listening.events(webhook)
    assert (left.status, left.posts, left.next_attempt_at) == (Told.DELIVERED, event.posts, None)
    assert len(listening.endpoints.heard) == 1


def test_news_of_a_parcel_under_a_claim_is_told_and_taken_off_once_the_claim_is_over(
    office: UseCases, listening: Listening
) -> None:
    listening.webhook("email.delivery_delayed")
    office.wire.judge = deferred
    submission = send(office)
    parcel = office.stored(submission).parcels[0]
    held = office.submissions.change(parcel.claimed(Lease("me", office.now, office.now + timedelta(hours=1)), None))
    assert held is not None
    listening.run()
    assert len(listening.endpoints.heard) == len(waiting(office, submission)) == 1
    assert office.submissions.change(replace(held, lease=None)) is not None
    listening.wait()
    assert len(listening.endpoints.heard) == 1
    assert waiting(office, submission) == []


def test_two_notices_of_one_parcel_in_one_process_keep_the_order_and_tell_nothing_twice(
    office: UseCases, listening: Listening
) -> None:
    webhook = listening.webhook("email.sent", "email.delivered")
    submission = send(office)
    ((notice, _),) = office.schedule.notices
    asked, answered, notify = Event(), Event(), listening.function()

    def answer(heard: Heard) -> Posted | NotPosted:
        if heard.type == "email.sent":
            asked.set()
            assert answered.wait(10)
        return ok(heard)

    listening.endpoints.answer = answer
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(notify, notice)
        assert asked.wait(10)
        second = pool.submit(notify, replace(notice, turn=99))
        assert wait([second], 0.2).not_done, "it waits for what comes first"
        assert [type_ for _, type_ in listening.heard] == ["email.sent"]
        answered.set()
        first.result(10)
        second.result(10)
    assert [type_ for _, type_ in listening.heard] == ["email.sent", "email.delivered"]
    assert [each.status for each in listening.events(webhook)] == [Told.DELIVERED] * 2
    assert waiting(office, submission) == []


def test_two_copies_of_a_notice_at_once_lose_no_attempt_and_end(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("email.delivered")
    submission = send(office)
    ((notice, _),) = office.schedule.notices
    twice: list[Heard] = []

    def answer(heard: Heard) -> Posted | NotPosted:
        twice.append(heard)
        if len(twice) == 1:  # the copy runs while this one waits for its answer
            listening.notify(notice)
            return Posted(500, b"")
        return ok(heard)

    listening.endpoints.answer = answer
    listening.run()
    (event,) = listening.events(webhook)
    assert event.status is Told.DELIVERED
    assert sorted(each.status or 0 for each in event.posts) == [200, 500]
    office.now += timedelta(hours=2)
    listening.run()
    assert len(twice) == 2
    assert waiting(office, submission) == []


def test_a_home_that_is_out_of_reach_brings_the_notice_again(office: UseCases, listening: Listening) -> None:
    listening.webhook("email.delivered")
    listening.endpoints.answer = fails
    send(office)
    ((notice, _),) = office.schedule.notices
    office.schedule.down = Unavailable("the queue")
    with pytest.raises(Unavailable):
        listening.notify(notice)
    office.schedule.down = None
    listening.endpoints.answer = ok
    listening.run()
    first, second = listening.endpoints.heard
    assert first.id == second.id


# Letters together, and the sweep behind all.


def test_the_letters_of_one_session_share_a_notice(office: UseCases, listening: Listening) -> None:
    listening.webhook()
    submissions = [office.submit(f"{number}@example.net") for number in range(20)]
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    office.deliver(replace(tasks[0], parcels=tuple(ref for task in tasks for ref in task.parcels)))
    ((notice, _),) = office.schedule.notices
    assert {submission for submission, _ in notice.parcels} == {each.id for each in submissions}
    listening.run()
    assert len(listening.endpoints.heard) == 40


def test_news_whose_notice_was_lost_is_told_by_the_sweep(office: UseCases, listening: Listening) -> None:
    listening.webhook("email.delivered")
    submission = send(office)
    office.schedule.notices.clear()
    office.now += timedelta(minutes=11)
    assert office.sweep() == Swept(walked=1, told=1)
    listening.run()
    assert len(listening.endpoints.heard) == 1
    assert waiting(office, submission) == []
    office.now += timedelta(hours=2)
    assert office.sweep() == Swept(followed=1)
    office.now += timedelta(hours=2)
    assert office.sweep() == Swept()


def test_a_retry_whose_notice_was_lost_is_found_by_the_sweep_as_well(office: UseCases, listening: Listening) -> None:
    listening.webhook("email.delivered")
    listening.endpoints.answer = fails
    send(office)
    listening.run()
    office.schedule.notices.clear()
    listening.endpoints.answer = ok
    office.now += timedelta(minutes=11)
    assert office.sweep().told == 1
    listening.run()
    assert [each.type for each in listening.endpoints.heard] == ["email.delivered"] * 2


def test_a_notice_from_a_newer_or_older_version_that_names_nothing_does_nothing(listening: Listening) -> None:
    listening.notify(Notice(listening.webhook().id))
    listening.notify(Notice("nobody", events=("nothing",)))
    assert listening.endpoints.heard == []


def test_headers_that_a_letter_was_given_are_told(office: UseCases, listening: Listening) -> None:
    listening.webhook("email.delivered")
    asked = office.request()
    tagged: Letter = replace(asked.letter, headers=(("X-Tags", '["welcome"]'),), sender=Mailbox.parse("a@example.org"))
    office.accept(replace(asked, letter=tagged, tags=(("kind", "hello"),)))
    run(office)
    listening.run()
    data = listening.endpoints.heard[0].told["data"]
    assert data["headers"] == [{"name": "X-Tags", "value": '["welcome"]'}]
    assert data["tags"] == {"kind": "hello"}
