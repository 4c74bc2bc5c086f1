"""A letter that waits for its moment, and what its sender may still change about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postroom.change import Pointless, TooLate
from postroom.deliver import MOST_DEATHS
from postroom.delivery.submission import Submission
from postroom.message.dkim import SigningKey
from postroom.ports import Cursor
from postroom.smtp.envelope import Mail
from tests.usecases.office import UseCases, deferred, lost, taken

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def run_what_is_due(office: UseCases) -> None:
    """Every task whose time has come, as often as there is one."""
    while due := [each for each in office.schedule.put_ if each[1] <= office.now]:
        for each in due:
            office.schedule.put_.remove(each)
            office.deliver(each[0])


def dates(office: UseCases) -> list[datetime]:
    """The Date of each letter that was carried."""
    return [parsedate_to_datetime(message_from_bytes(mail.octets)["Date"]) for mail in office.wire.carried]


def scheduled(office: UseCases, *to: str, **options: object) -> Submission:
    """A letter that waits for an hour."""
    return office.submit(*to, scheduled_at=office.now + HOUR, **options)


# Its moment


def test_it_goes_at_its_moment_and_is_dated_by_it(office: UseCases) -> None:
    letter = scheduled(office)
    task, at = office.schedule.put_[0]
    assert at == office.now + HOUR
    office.now += HOUR - MINUTE
    office.deliver(task)  # a queue that holds a task for some time only brings it early
    assert office.wire.carried == []
    office.now = at
    run_what_is_due(office)
    assert office.statuses(letter) == ["delivered"]
    assert dates(office) == [at]


def test_its_age_is_counted_from_its_moment(office: UseCases) -> None:
    office.wire.judge = deferred
    letter = office.submit(scheduled_at=office.now + timedelta(days=20))
    office.now += timedelta(days=20)
    first = office.now
    run_what_is_due(office)
    assert office.statuses(letter) == ["deferred"]
    while office.schedule.put_:
        office.now = office.schedule.put_[0][1]
        run_what_is_due(office)
    assert office.statuses(letter) == ["expired"]
    assert office.now - first > timedelta(days=2)


def test_it_expires_after_its_moment_as_any_other(office: UseCases) -> None:
    letter = scheduled(office, expires_at=office.now + HOUR + MINUTE)
    office.now += HOUR + 2 * MINUTE  # the queue was late
    run_what_is_due(office)
    assert office.statuses(letter) == ["expired"]
    assert office.wire.carried == []


def test_what_comes_back_unattempted_once_its_moment_has_come_is_queued(office: UseCases) -> None:
    letter = scheduled(office)
    task, office.now = office.schedule.take()
    office.deliver(replace(task, destination="elsewhere.example"))
    assert office.statuses(letter) == ["queued"], "nobody can give it another time any more"
    with pytest.raises(TooLate, match=r"and this one is queued\.$"):
        office.change.reschedule(office.stored(letter), office.now + HOUR)


# Another time


@pytest.mark.parametrize("minutes", [10, 120])
def test_it_goes_at_its_new_time_whichever_task_comes_first(office: UseCases, minutes: int) -> None:
    letter = scheduled(office, "bob@example.net", "dora@example.com")
    began, new = office.now, office.now + minutes * MINUTE
    office.now += MINUTE
    office.change.reschedule(letter, new)
    assert office.stored(letter).scheduled_at == new
    for passed in range(1, 180):
        office.now = began + passed * MINUTE
        run_what_is_due(office)
        assert len(office.wire.carried) == (0 if office.now < new else 2)
    assert office.statuses(letter) == ["delivered", "delivered"]
    assert dates(office) == [new, new]


def test_no_task_that_waits_swallows_the_new_one(office: UseCases) -> None:
    letter = scheduled(office)
    first, _ = office.schedule.take()
    office.deliver(first)  # early: it puts itself right, under the next name
    second, _ = office.schedule.take()
    office.change.reschedule(office.stored(letter), office.now + MINUTE)
    third, _ = office.schedule.take()
    office.deliver(third)
    fourth, _ = office.schedule.take()
    assert len({each.name for each in (first, second, third)}) == 3
    assert third.name != fourth.name, "nor is one that comes early swallowed by itself"


def test_letters_that_share_a_task_go_each_at_its_own_moment(office: UseCases) -> None:
    first, second = scheduled(office, "bob@example.net"), scheduled(office, "dora@example.net")
    (one, at), (two, _) = office.schedule.put_
    office.schedule.put_ = [(replace(one, parcels=one.parcels + two.parcels), at)]
    office.change.reschedule(second, at + HOUR)
    office.now = at
    run_what_is_due(office)
    assert [office.statuses(each) for each in (first, second)] == [["delivered"], ["scheduled"]]
    office.now = at + HOUR
    run_what_is_due(office)
    assert office.statuses(second) == ["delivered"]
    assert dates(office) == [at, at + HOUR]


# Taking it back


def test_what_is_taken_back_is_never_sent(office: UseCases) -> None:
    letter = scheduled(office, "bob@example.net", "dora@example.com")
    tasks = [task for task, _ in office.schedule.put_]
    office.change.cancel(letter)
    assert office.schedule.put_ == [], "its tasks are gone, where the queue can take them out"
    office.now += 2 * HOUR
    for task in tasks:  # and do no harm where it can't
        office.deliver(task)
    assert office.statuses(letter) == ["canceled", "canceled"]
    assert office.wire.carried == []
    with pytest.raises(TooLate, match=r"and this one is canceled\.$"):
        office.change.reschedule(office.stored(letter), office.now + HOUR)


def test_while_a_worker_is_at_it_it_is_too_late_and_then_it_is_not(office: UseCases) -> None:
    office.wire.judge = deferred
    letter = office.submit()
    tried: list[str] = []

    def interrupt() -> None:
        with pytest.raises(TooLate, match=r"and this one is sending\.$"):
            office.change.cancel(letter)
        with pytest.raises(TooLate, match=r"and this one is sending\.$"):
            office.change.retry(office.stored(letter))
        tried.append("both")

    office.wire.before = interrupt
    run_what_is_due(office)
    assert tried == ["both"]
    office.change.cancel(letter)
    assert office.statuses(letter) == ["canceled"]


# Once more


def test_a_letter_that_was_held_goes_once_more_with_the_same_octets(office: UseCases) -> None:
    office.wire.judge = lost
    letter = office.submit(on_unknown="hold")
    run_what_is_due(office)
    assert office.statuses(letter) == ["unknown"]
    office.now += 30 * timedelta(days=1)
    office.wire.judge = taken
    assert [each.address for each in office.change.retry(office.stored(letter))] == ["bob@example.net"]
    run_what_is_due(office)
    (bob,) = office.stored(letter).recipients
    assert (bob.status, bob.possibly_delivered, bob.attempts) == ("delivered", True, 2)
    assert len({mail.octets for mail in office.wire.carried}) == 1
    assert office.outcomes(letter) == ["unknown", "accepted"]


def test_its_signature_is_valid_for_as_long_as_it_may_take_and_nothing_else_is_new(office: UseCases) -> None:
    key = SigningKey("example.org", "s", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    office.deliver = replace(office.deliver, signing=lambda *_: (key,))
    office.wire.judge = lost
    letter = office.submit(on_unknown="hold")
    run_what_is_due(office)
    office.now += 30 * timedelta(days=1)
    office.change.retry(office.stored(letter))
    run_what_is_due(office)
    first, second = office.wire.carried

    def of_signature(mail: Mail) -> dict[str, str]:
        tags = message_from_bytes(mail.octets)["DKIM-Signature"].replace("\r\n", "").replace(" ", "").split(";")
        return dict(tag.partition("=")[::2] for tag in map(str.strip, tags) if tag)

    old, new = of_signature(first), of_signature(second)
    assert {name for name in old if old[name] != new[name]} == {"x", "b"}
    assert int(new["x"]) > office.now.timestamp() + 3 * 86400
    assert first.octets.partition(b"\r\nFrom:")[2] == second.octets.partition(b"\r\nFrom:")[2]


def test_its_age_and_its_schedule_begin_anew(office: UseCases) -> None:
    office.wire.judge = deferred
    letter = office.submit()
    while office.schedule.put_:
        office.now = office.schedule.put_[0][1]
        run_what_is_due(office)
    assert office.statuses(letter) == ["expired"]
    before = len(office.wire.carried)
    office.change.retry(office.stored(letter))
    again = office.now
    delays = []
    for _ in range(3):
        run_what_is_due(office)
        at = office.schedule.put_[0][1]
        delays.append(at - office.now)
        office.now = at
    assert delays == [MINUTE, 5 * MINUTE, 15 * MINUTE]
    while office.schedule.put_:
        office.now = office.schedule.put_[0][1]
        run_what_is_due(office)
    assert office.statuses(letter) == ["expired"]
    assert office.now - again > timedelta(days=2)
    assert len(office.wire.carried) == 2 * before, "and as many attempts are made as the first time"
    numbers = [attempt.number for attempt in office.submissions.attempts(letter.id, Cursor(limit=100)).items]
    assert numbers == list(range(len(numbers), 0, -1)), "the attempts are counted on"


def test_a_deferred_letter_goes_now_and_its_old_task_finds_nothing(office: UseCases) -> None:
    office.wire.judge = deferred
    letter = office.submit()
    run_what_is_due(office)
    (old, _), *_ = office.schedule.put_
    office.wire.judge = taken
    office.change.retry(office.stored(letter))
    run_what_is_due(office)
    assert office.statuses(letter) == ["delivered"]
    office.now += HOUR
    office.deliver(old)
    assert len(office.wire.carried) == 2


def test_a_letter_that_is_lost_fails_again_with_the_same_cause(office: UseCases) -> None:
    letter = office.submit()
    office.database.write(lambda connection: connection.execute("UPDATE letters SET packed = NULL, file = NULL"))
    for _ in range(2):
        run_what_is_due(office)
        (bob,) = office.stored(letter).recipients
        assert (bob.status, bob.cause) == ("failed", "letter_lost")
        office.change.retry(office.stored(letter))
    assert office.statuses(letter) == ["queued"]


def test_a_letter_that_was_parked_is_tried_again(office: UseCases) -> None:
    letter = office.submit()
    task, _ = office.schedule.take()
    for _ in range(MOST_DEATHS):
        office.die_with(task)
        office.kill_the_last()
        office.now += timedelta(seconds=1)
    office.deliver(task)
    assert office.stored(letter).recipients[0].cause == "killed_its_worker"
    office.change.retry(office.stored(letter))
    run_what_is_due(office)
    (bob,) = office.stored(letter).recipients
    assert (bob.status, bob.possibly_delivered) == ("delivered", True)


def test_what_expired_by_its_senders_wish_stays_so(office: UseCases) -> None:
    letter = office.submit(expires_at=office.now + MINUTE)
    office.now += HOUR
    run_what_is_due(office)
    with pytest.raises(Pointless):
        office.change.retry(office.stored(letter))
    assert office.statuses(letter) == ["expired"]
