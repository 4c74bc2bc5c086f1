"""Files that a letter encloses by their URLs: fetched once, before anything is claimed, and then part of the letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.delivery.submission import Submission
from postroom.enclosures import LONGEST
from postroom.message.attachment import LARGEST_TOGETHER, in_base64
from postroom.message.letter import Letter
from postroom.outgoing import rendered
from postroom.ports import Cursor, Fetched, NotFetched, Unavailable
from tests.usecases.office import UseCases, deferred

URL = "https://files.example/invoice.pdf"
OTHER = "https://files.example/photo"
PDF = Fetched(b"%PDF", "text/html")  # the server is wrong about it, and isn't asked
NOT_NOW = NotFetched("files.example: it took too long", for_good=False)


def run(office: UseCases, times: int = 1) -> None:
    """Run that many rounds of tasks that are due."""
    for _ in range(times):
        due = [each for each in office.schedule.put_ if each[1] <= office.now]
        for each in due:
            office.schedule.put_.remove(each)
            office.deliver(each[0])


def letter(office: UseCases, submission: Submission) -> Letter:
    stored = office.submissions.letter(submission.id)
    assert stored is not None
    return Letter.unpack(stored)


def notes(office: UseCases, submission: Submission) -> list[tuple[str, str | None]]:
    page = office.submissions.attempts(submission.id, Cursor(limit=100))
    return [(str(each.outcome), each.note) for each in page.items][::-1]


def test_the_files_are_fetched_and_go_with_the_letter(office: UseCases) -> None:
    office.web.files = {URL: PDF, OTHER: Fetched(b"JFIF", "image/jpeg")}
    submission = office.submit(paths=(URL, OTHER))
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]
    kept = letter(office, submission)
    assert [(each.filename, each.content_type, each.content) for each in kept.attachments] == [
        ("invoice.pdf", "application/pdf", b"%PDF"),
        ("photo", "image/jpeg", b"JFIF"),
    ]
    assert kept.complete
    (mail,) = office.wire.carried
    assert mail.octets == rendered(kept, submission, submission.created_at)
    assert [url for url, _, _ in office.web.asked] == [URL, OTHER]


def test_who_serves_a_file_is_asked_what_it_is_only_where_nobody_else_knows(office: UseCases) -> None:
    for said, type_ in (
        ("image/jpeg", "image/jpeg"),
        ("multipart/mixed", "application/octet-stream"),
        ("nonsense", "application/octet-stream"),
        (None, "application/octet-stream"),
    ):
        office.web.files = {OTHER: Fetched(b"x", said)}
        submission = office.submit(paths=(OTHER,))
        run(office, 2)
        assert [each.content_type for each in letter(office, submission).attachments] == [type_]


def test_no_claim_no_session_and_no_place_is_held_while_a_file_is_fetched(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    submission = office.submit(paths=(URL,))

    def look() -> None:
        (parcel,) = office.stored(submission).parcels
        assert (parcel.claim, parcel.lease) == (0, None)
        assert office.wire.carried == []
        assert office.directory.list("slot") == []

    office.web.before = look
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]


def test_a_letter_that_lacks_files_keeps_none_of_its_task_waiting(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    lacking, whole = office.submit(paths=(URL,)), office.submit()
    refs = tuple(task.parcels[0] for task, _ in office.schedule.put_)
    (first, _), _ = office.schedule.put_
    office.schedule.put_.clear()
    office.web.before = lambda: None if office.statuses(whole) == ["delivered"] else pytest.fail("it had to wait")
    office.deliver(replace(first, parcels=refs))
    assert office.statuses(lacking) == ["queued"]
    run(office)
    assert office.statuses(lacking) == ["delivered"]


def test_every_parcel_and_every_attempt_sends_what_was_fetched_once(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    office.wire.judge = deferred
    office.submit("bob@example.net", "carol@example.org", paths=(URL,))
    run(office, 2)
    office.web.files = {URL: Fetched(b"another", None)}
    office.now += timedelta(minutes=10)
    run(office)
    assert len(office.web.asked) == 1
    assert len({mail.octets for mail in office.wire.carried}) == 1
    assert len(office.wire.carried) == 4


def test_what_can_not_be_had_for_good_fails_with_the_reason(office: UseCases) -> None:
    submission = office.submit(paths=(URL,))
    run(office)
    assert office.statuses(submission) == ["failed"]
    (recipient,) = office.stored(submission).recipients
    assert recipient.cause == "attachment"
    why = "The file invoice.pdf can't be fetched from files.example: it answered with status 404"
    assert notes(office, submission) == [("not_attempted", why)]
    assert office.schedule.put_ == []
    assert office.wire.carried == []
    assert office.directory.list("fetch") == []


def test_what_can_not_be_had_for_now_is_tried_again_on_the_schedule(office: UseCases) -> None:
    office.web.files = {URL: NOT_NOW}
    submission = office.submit(paths=(URL,))
    run(office)
    (recipient,) = office.stored(submission).recipients
    assert (recipient.status, recipient.cause, recipient.attempts) == ("deferred", "attachment", 1)
    assert recipient.next_attempt_at == office.now + timedelta(minutes=1)
    assert not recipient.possibly_delivered
    office.now += timedelta(minutes=1)
    run(office)
    (recipient,) = office.stored(submission).recipients
    assert recipient.next_attempt_at == office.now + timedelta(minutes=5)
    office.now += timedelta(minutes=5)
    office.web.files = {URL: PDF}
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]
    why = "The file invoice.pdf can't be fetched from files.example: it took too long"
    assert notes(office, submission) == [("deferred", why), ("deferred", why), ("accepted", None)]


def test_what_can_not_be_had_in_time_expires(office: UseCases) -> None:
    office.web.files = {URL: NOT_NOW}
    submission = office.submit(paths=(URL,), expires_at=office.now + timedelta(minutes=3))
    while office.schedule.put_:
        run(office)
        office.now += timedelta(minutes=1)
    assert office.statuses(submission) == ["expired"]
    assert len(office.web.asked) == 2
    late = office.submit(paths=(URL,), expires_at=office.now)
    office.now += timedelta(minutes=3)
    run(office)
    assert office.statuses(late) == ["expired"]
    assert len(office.web.asked) == 2, "what is too late isn't fetched"


def test_a_crash_between_the_fetch_and_its_record_costs_another_fetch(office: UseCases) -> None:
    class Killed(BaseException):
        pass

    office.web.files = {URL: PDF}
    submission = office.submit(paths=(URL,))
    task, _ = office.schedule.take()

    def die() -> None:
        raise Killed

    office.web.before = die
    with pytest.raises(Killed):
        office.deliver(task)
    office.web.before = lambda: None
    office.schedule.put(task, office.now)  # it wasn't acknowledged
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]


def fetching(office: UseCases, submission: Submission, holder: str) -> None:
    """Somebody begins to fetch for it and never ends."""
    until = office.now + timedelta(seconds=120)
    office.directory.create("fetch", submission.id, {"holder": holder, "number": 0, "until": until.isoformat()})


def somebody_else(office: UseCases) -> str:
    """The name of another worker, which lives until `kill_the_last`."""
    other = office.worker("somebody-else")
    assert other.claims.holders is not None
    other.claims.holders.live_as(other.holder)
    return other.holder


def test_one_fetches_while_the_others_wait(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    submission = office.submit(paths=(URL,))
    fetching(office, submission, somebody_else(office))
    run(office)
    assert office.web.asked == []
    ((_, at),) = office.schedule.put_
    assert at == office.now + timedelta(seconds=5)
    office.now += timedelta(seconds=121)
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]
    assert len(office.web.asked) == 1


def test_whoever_died_with_it_keeps_nobody_waiting(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    submission = office.submit(paths=(URL,))
    fetching(office, submission, somebody_else(office))
    office.kill_the_last()
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]


def test_a_process_fetches_for_a_few_letters_at_a_time(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    first, second = (office.submit(paths=(URL,)) for _ in range(2))
    office.deliver = replace(office.deliver, enclosures=replace(office.deliver.enclosures, at_once=1))
    (one, _), (other, _) = office.schedule.put_
    office.schedule.put_.clear()

    def meanwhile() -> None:
        office.web.before = lambda: None
        office.deliver(other)

    office.web.before = meanwhile
    office.deliver(one)
    assert len(office.web.asked) == 1
    office.now += timedelta(seconds=5)
    run(office, 2)
    assert [office.statuses(each) for each in (first, second)] == [["delivered"]] * 2


def test_of_two_who_fetch_all_the_same_the_first_decides(office: UseCases) -> None:
    submission = office.submit(paths=(URL,))
    office.web.files = {URL: Fetched(b"second", "text/plain")}
    first = letter(office, submission)
    (file,) = first.attachments
    whole = replace(first, attachments=(replace(file, content=b"first", path=None),))

    def be_faster() -> None:
        office.submissions.complete(submission.id, whole.pack())

    office.web.before = be_faster
    run(office, 2)
    assert letter(office, submission) == whole
    assert office.statuses(submission) == ["delivered"]


def test_the_files_together_are_bounded_as_they_travel(office: UseCases) -> None:
    size = LARGEST_TOGETHER // 4 * 3 - 300
    office.web.files = {URL: Fetched(b"x" * size, None), OTHER: Fetched(b"y" * 300, None)}
    office.submit(paths=(URL, OTHER))
    run(office)
    assert [most for _, most, _ in office.web.asked] == [size + 300, 300]
    assert in_base64(size) + in_base64(300) == LARGEST_TOGETHER


def test_the_time_is_for_all_files_together(office: UseCases) -> None:
    def tick() -> None:
        office.seconds += LONGEST - 10

    office.web.files = {URL: PDF, OTHER: PDF}
    office.web.before = tick
    submission = office.submit(paths=(URL, OTHER, "https://files.example/third"))
    run(office)
    assert [seconds for _, _, seconds in office.web.asked] == [LONGEST, 10]
    (recipient,) = office.stored(submission).recipients
    assert (recipient.status, recipient.cause) == ("deferred", "attachment")


def test_a_run_without_time_left_brings_the_letter_again(office: UseCases) -> None:
    office.web.files = {URL: PDF}
    submissions = [office.submit(paths=(URL,)) for _ in range(2)]
    refs = tuple(task.parcels[0] for task, _ in office.schedule.put_)
    task = replace(office.schedule.put_[0][0], parcels=refs)
    office.schedule.put_.clear()

    def tick() -> None:
        office.seconds += 800

    office.web.before = tick
    office.deliver(task)
    assert len(office.web.asked) == 1
    run(office, 3)
    assert [office.statuses(each) for each in submissions] == [["delivered"]] * 2


def test_while_its_destination_rests_nothing_is_fetched(office: UseCases) -> None:
    submission = office.submit(paths=(URL,))
    rest = {"resting_until": (office.now + timedelta(minutes=5)).isoformat(), "rests": 1, "cause": "unreachable"}
    office.directory.put("health", "mx/example.net", rest)
    run(office)
    assert office.web.asked == []
    assert office.statuses(submission) == ["queued"]


def test_a_store_that_is_away_brings_the_task_again(office: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    office.web.files = {URL: PDF}
    submission = office.submit(paths=(URL,))
    task, _ = office.schedule.take()

    def away(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(office.submissions, "complete", away)
        with pytest.raises(Unavailable):
            office.deliver(task)
    assert office.directory.list("fetch") == [], "and who brings it need not wait"
    office.schedule.put(task, office.now)
    run(office, 2)
    assert office.statuses(submission) == ["delivered"]


def test_an_erased_letter_is_dropped(office: UseCases) -> None:
    submission = office.submit(paths=(URL,))
    office.web.before = lambda: office.submissions.erase(submission.stripped())
    office.web.files = {URL: PDF}
    run(office, 2)
    assert office.schedule.put_ == []
    assert office.wire.carried == []
