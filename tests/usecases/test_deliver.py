"""One parcel's way through a worker: claimed once, settled at once, and whatever comes twice does no harm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.account.seal import SealError
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.deliver import MOST_DEATHS
from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.task import DeliveryTask
from postroom.message.dkim import SigningKey
from postroom.ports import Cursor, Found, NoAnswer, NoDomain, NullMx, Unavailable
from postroom.smtp.envelope import Mail
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Verdict
from tests.usecases.office import UseCases, deferred, lost, taken


def test_a_letter_is_carried_once_however_often_its_task_comes(office: UseCases) -> None:
    letter = office.submit()
    task, at = office.schedule.take()
    assert at == letter.created_at
    for _ in range(10):
        office.deliver(task)
    assert len(office.wire.carried) == 1
    assert office.statuses(letter) == ["delivered"]
    assert office.schedule.put_ == []


def test_a_deferral_is_retried_on_the_schedule_with_the_same_bytes(office: UseCases) -> None:
    office.wire.judge = deferred
    letter = office.submit()
    for minutes in (1, 5, 15):
        task, _ = office.schedule.take()
        office.deliver(task)
        _, at = office.schedule.put_[0]
        assert at == office.now + timedelta(minutes=minutes)
        office.now = at
    assert office.statuses(letter) == ["deferred"]
    assert office.outcomes(letter) == ["deferred"] * 3
    assert len({mail.octets for mail in office.wire.carried}) == 1


def test_a_worker_that_died_after_settling_has_its_next_task_put_by_the_duplicate(office: UseCases) -> None:
    office.wire.judge = deferred
    office.submit()
    task, _ = office.schedule.take()
    office.deliver(task)
    lost_task, at = office.schedule.take()  # as if the process had died before it was put
    office.deliver(task)
    assert office.schedule.take() == (lost_task, at)


def test_a_task_that_comes_early_puts_itself_right(office: UseCases) -> None:
    office.wire.judge = deferred
    office.submit()
    office.deliver(office.schedule.take()[0])
    early, at = office.schedule.take()
    office.deliver(early)
    again, again_at = office.schedule.take()
    assert again_at == at
    assert again.name != early.name, "the task under way would swallow one of the same name"
    assert len(office.wire.carried) == 1


def test_a_task_that_finds_another_worker_at_it_looks_again_later(office: UseCases) -> None:
    letter = office.submit()
    task, _ = office.schedule.take()
    office.wire.before = lambda: office.deliver(task)  # the queue delivers twice at the same time
    office.deliver(task)
    assert len(office.wire.carried) == 1
    watch, at = office.schedule.take()
    assert at > office.now
    office.now = at
    office.deliver(watch)
    assert office.schedule.put_ == []
    assert office.statuses(letter) == ["delivered"]


def abandon(office: UseCases, *, marked: bool = False) -> DeliveryTask:
    """A worker takes the task and dies with the claim in its hands, before or after the letter's end was marked."""
    task, _ = office.schedule.take()
    office.die_with(task, marked=marked)
    office.kill_the_last()
    return task


def test_a_dead_workers_parcel_is_taken_over_and_said_to_be_possibly_delivered(office: UseCases) -> None:
    letter = office.submit()
    task = abandon(office)
    office.now += timedelta(seconds=1)
    office.deliver(task)
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["abandoned", "accepted"]
    assert office.stored(letter).recipients[0].possibly_delivered
    assert len({mail.octets for mail in office.wire.carried}) == 1


def test_under_hold_a_dead_workers_parcel_is_not_sent_again(office: UseCases) -> None:
    letter = office.submit(on_unknown="hold")
    task = abandon(office, marked=True)
    office.now += timedelta(seconds=1)
    office.deliver(task)
    assert office.statuses(letter) == ["unknown"]
    assert len(office.wire.carried) == 1


@pytest.mark.parametrize("misled", ["by another route's task", "by a clock set back"])
def test_under_hold_nothing_that_follows_a_death_sends_it_again(office: UseCases, misled: str) -> None:
    letter = office.submit(on_unknown="hold")
    task = abandon(office, marked=True)
    if misled == "by a clock set back":
        office.now -= timedelta(seconds=2)
        office.deliver(task)
    else:
        office.deliver(replace(task, destination="elsewhere.example"))
    while office.schedule.put_:
        task, at = office.schedule.take()
        office.now = max(office.now, at)
        office.deliver(task)
    assert office.statuses(letter) == ["unknown"]
    assert len(office.wire.carried) == 1


def test_under_hold_a_worker_that_died_before_the_end_of_the_letter_leaves_no_doubt(office: UseCases) -> None:
    letter = office.submit(on_unknown="hold")
    task = abandon(office)
    office.now += timedelta(seconds=1)
    office.deliver(task)
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["abandoned", "accepted"]
    assert not office.stored(letter).recipients[0].possibly_delivered


def test_under_hold_the_end_is_not_said_where_the_claim_was_lost(office: UseCases) -> None:
    letter = office.submit(on_unknown="hold")
    task, _ = office.schedule.take()

    def stall() -> None:
        office.wire.before = lambda: None
        office.now += timedelta(seconds=900)  # the worker stands still past its lease
        office.worker("another").__call__(replace(task, parcels=(replace(task.parcels[0], claim=1),)))

    office.wire.before = stall
    office.deliver(task)
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["abandoned", "accepted"]


def test_a_letter_that_kills_its_workers_is_parked(office: UseCases) -> None:
    letter = office.submit()
    for _ in range(MOST_DEATHS):
        task = abandon(office)
        office.schedule.put_ = [(task, office.now)]
        office.now += timedelta(seconds=1)
    carried = len(office.wire.carried)
    office.deliver(task)
    assert office.statuses(letter) == ["failed"]
    assert office.stored(letter).recipients[0].cause == "killed_its_worker"
    assert len(office.wire.carried) == carried == MOST_DEATHS


def test_a_lost_reply_under_retry_goes_again_and_under_hold_does_not(office: UseCases) -> None:
    office.wire.judge = lost
    again, held = office.submit(), office.submit(on_unknown="hold")
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    for task in tasks:
        office.deliver(task)
    assert [office.statuses(each) for each in (again, held)] == [["deferred"], ["unknown"]]
    assert [task.parcels[0].submission for task, _ in office.schedule.put_] == [again.id]


@pytest.mark.parametrize(
    ("answer", "status", "cause", "code"),
    [
        (NullMx(), "bounced", "null_mx", "5.1.10"),
        (NoDomain("There is no domain example.net in DNS"), "bounced", "no_such_domain", "5.1.2"),
        (NoAnswer("SERVFAIL"), "deferred", "dns", None),
    ],
)
def test_dns_decides_without_a_connection(
    office: UseCases, answer: NullMx | NoDomain | NoAnswer, status: str, cause: str, code: str | None
) -> None:
    office.resolver.answer = answer
    letter = office.submit()
    office.deliver(office.schedule.take()[0])
    (bob,) = office.stored(letter).recipients
    assert (bob.status, bob.cause, bob.enhanced_code) == (status, cause, code)
    assert office.wire.carried == []


def test_what_expired_is_not_attempted(office: UseCases) -> None:
    letter = office.submit(expires_at=office.now + timedelta(minutes=1))
    office.now += timedelta(minutes=2)
    office.deliver(office.schedule.take()[0])
    assert office.statuses(letter) == ["expired"]
    assert office.wire.carried == []


def test_a_task_begins_no_letter_late_and_puts_the_rest_back(office: UseCases) -> None:
    """A function is stopped at its limit: what isn't begun by then is another run's."""
    for number in range(3):
        office.submit(f"r{number}@example.net")
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    shared = replace(tasks[0], parcels=tuple(task.parcels[0] for task in tasks))

    def slow() -> None:
        office.seconds += 300

    office.wire.before = slow
    office.deliver(shared)
    assert len(office.wire.carried) == 2
    rest, at = office.schedule.take()
    assert [ref.submission for ref in rest.parcels] == [tasks[2].parcels[0].submission]
    assert at == office.now
    office.seconds, office.wire.before = 1.0, lambda: None
    office.deliver(rest)
    assert len(office.wire.carried) == 3


def test_letters_that_a_session_did_not_get_to_are_put_back(office: UseCases) -> None:
    letters = [office.submit() for _ in range(5)]
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    office.wire.most = 2
    shared = replace(tasks[0], parcels=tuple(task.parcels[0] for task in tasks))
    office.deliver(shared)
    assert [office.statuses(each)[0] for each in letters] == ["delivered", "delivered", "queued", "queued", "queued"]
    rest, at = office.schedule.take()
    assert [ref.submission for ref in rest.parcels] == [each.id for each in letters[2:]]
    assert at == office.now
    office.wire.most = 100
    office.deliver(rest)
    assert {office.statuses(each)[0] for each in letters} == {"delivered"}


class Failing(LocalSubmissions):
    """A store that can't write the first `failures` verdicts."""

    failures = 0

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        if self.failures and attempt is not None:
            self.failures -= 1
            raise Unavailable("the disk is full")
        return super().change(parcel, attempt)


@pytest.mark.parametrize(("failures", "recorded"), [(4, True), (5, False)])
def test_a_verdict_is_recorded_with_patience(office: UseCases, failures: int, recorded: bool) -> None:
    letter = office.submit()
    store = Failing(office.database)
    store.failures = failures
    worker = office.worker("patient", store)
    task, _ = office.schedule.take()
    if recorded:
        worker(task)
        assert office.statuses(letter) == ["delivered"]
    else:
        with pytest.raises(Unavailable):
            worker(task)
        worker(task)  # it comes again, and this process remembers how the attempt ended
        assert office.statuses(letter) == ["delivered"]
        assert not office.stored(letter).recipients[0].possibly_delivered
    assert len(office.wire.carried) == 1
    assert len(office.pauses) == 4


def test_a_server_with_a_limit_on_recipients_is_not_asked_in_a_loop(office: UseCases) -> None:
    def one_at_a_time(mail: Mail) -> tuple[Verdict, ...]:
        first, *others = mail.recipients
        too_many = Reply(452, ("4.5.3 too many recipients",))
        return (
            Verdict(first, Fate.DEFERRED, Reply(451, ("4.7.1 greylisted",))),
            *(Verdict(each, Fate.NOT_ATTEMPTED, too_many) for each in others),
        )

    office.wire.judge = one_at_a_time
    letter = office.submit("a@example.net", "b@example.net", "c@example.net")
    for _ in range(3):
        task, at = office.schedule.take()
        assert at == office.now
        office.deliver(task)
    _, at = office.schedule.take()
    assert at == office.now + timedelta(minutes=1)
    assert [mail.recipients for mail in office.wire.carried] == [
        ("a@example.net", "b@example.net", "c@example.net"),
        ("b@example.net", "c@example.net"),
        ("c@example.net",),
    ]
    assert office.statuses(letter) == ["deferred"] * 3


def test_the_record_says_where_a_letter_goes_whoever_brings_it(office: UseCases) -> None:
    letter = office.submit()
    task, _ = office.schedule.take()
    office.deliver(replace(task, destination="evil.example", queue="evil"))
    assert office.wire.carried == []
    right, _ = office.schedule.take()
    assert right.destination == "example.net"
    office.deliver(right)
    assert office.statuses(letter) == ["delivered"]


def test_a_key_that_cannot_sign_defers_the_letter_and_says_why(office: UseCases) -> None:
    def unusable(*_: object) -> tuple[SigningKey, ...]:
        raise SealError("a secret sealed for dkim doesn't open with this private key")

    letter = office.submit(expires_at=office.now + timedelta(minutes=3))
    worker = replace(office.deliver, signing=unusable)
    task, _ = office.schedule.take()
    worker(task)
    (bob,) = office.stored(letter).recipients
    assert (bob.status, bob.cause) == ("deferred", "signing")
    task, office.now = office.schedule.take()
    worker(task)
    assert office.statuses(letter) == ["expired"]
    assert office.wire.carried == []


@pytest.mark.parametrize("packed", [None, b"", b"{}\n", b"garbage"])
def test_a_letter_that_was_lost_from_its_store_fails(office: UseCases, packed: bytes | None) -> None:
    letter = office.submit()
    office.database.write(
        lambda connection: connection.execute("UPDATE letters SET packed = ?, file = ?", (packed, None))
    )
    office.deliver(office.schedule.take()[0])
    assert office.statuses(letter) == ["failed"]
    assert office.stored(letter).recipients[0].cause == "letter_lost"
    assert office.schedule.put_ == []


def test_what_a_server_said_is_escaped_in_a_note(office: UseCases) -> None:
    office.wire.judge = lambda mail: tuple(
        Verdict(each, Fate.DEFERRED, note="it said \x1b[2J") for each in mail.recipients
    )
    letter = office.submit()
    office.deliver(office.schedule.take()[0])
    (attempt,) = office.submissions.attempts(letter.id, Cursor()).items
    assert attempt.note == r"it said \x1b[2J"


def test_a_letter_that_is_gone_is_dropped(office: UseCases) -> None:
    office.submit()
    task, _ = office.schedule.take()
    ref = replace(task.parcels[0], submission=SubmissionId("00000000-0000-4000-8000-000000000000"))
    office.deliver(replace(task, parcels=(ref,)))
    assert office.wire.carried == []


@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1)])
@pytest.mark.parametrize("when", ["before the claim", "under the claim", "between attempts"])
def test_a_clock_that_jumps_an_hour_shifts_retries_and_loses_nothing(
    office: UseCases, jump: timedelta, when: str
) -> None:
    office.wire.judge = deferred

    def jumped() -> None:
        office.now += jump
        office.wire.before = lambda: None

    letter = office.submit()
    if when == "before the claim":
        jumped()
    if when == "under the claim":
        office.wire.before = jumped
    for _ in range(60):
        for task, at in list(office.schedule.put_):
            if at <= office.now:
                office.schedule.put_.remove((task, at))
                office.deliver(task)
        if when == "between attempts" and office.wire.carried and jump:
            office.now += jump
            jump = timedelta(0)
        if len(office.wire.carried) == 2:
            office.wire.judge = taken
        office.now += timedelta(minutes=5)
    assert office.statuses(letter) == ["delivered"]
    assert sorted(office.outcomes(letter)) == ["accepted", "deferred", "deferred"]
    assert len(office.wire.carried) == 3
    assert len({mail.octets for mail in office.wire.carried}) == 1


def test_a_home_that_fails_in_the_middle_does_not_tear_down_the_session(office: UseCases) -> None:
    class Gone(LocalSubmissions):
        def find(self, submission: SubmissionId, number: int) -> Found | None:
            if submission == letters[1].id:
                raise Unavailable("the home is away")
            return super().find(submission, number)

    letters = [office.submit() for _ in range(3)]
    tasks = [task for task, _ in office.schedule.put_]
    office.schedule.put_.clear()
    shared = replace(tasks[0], parcels=tuple(task.parcels[0] for task in tasks))
    with pytest.raises(Unavailable):
        office.worker("unlucky", Gone(office.database))(shared)
    assert [office.statuses(each)[0] for each in letters] == ["delivered", "queued", "queued"]
    assert office.schedule.put_ == [], "the whole task comes again"
    office.deliver(shared)
    assert {office.statuses(each)[0] for each in letters} == {"delivered"}
    assert len(office.wire.carried) == 3


def test_what_a_worker_remembers_of_a_lost_claim_keeps_it_from_nothing(office: UseCases) -> None:
    """Its verdict couldn't be recorded, somebody else took over, and the next attempt's task comes to it."""
    office.wire.judge = deferred
    letter = office.submit()
    store = Failing(office.database)
    forgetful = office.worker("forgetful", store)
    task, _ = office.schedule.take()
    store.failures = 5
    with pytest.raises(Unavailable):
        forgetful(task)
    office.now += timedelta(seconds=900)
    office.deliver(task)  # takes over, and is deferred
    following, office.now = office.schedule.take()
    office.wire.judge = taken
    forgetful(following)
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["abandoned", "deferred", "accepted"]


def test_what_a_worker_remembers_is_recorded_before_anything_else(office: UseCases) -> None:
    """The task itself goes to another, who finds the claim alive; a copy would be sent when the lease ends."""
    letter, other = office.submit(), office.submit()
    store = Failing(office.database)
    worker = office.worker("patient", store)
    (task, _), (next_task, _) = office.schedule.put_
    store.failures = 5
    with pytest.raises(Unavailable):
        worker(task)
    worker(next_task)
    assert [office.statuses(each) for each in (letter, other)] == [["delivered"], ["delivered"]]
    office.now += timedelta(seconds=900)
    office.deliver(task)
    assert len(office.wire.carried) == 2
    assert not office.stored(letter).recipients[0].possibly_delivered


def test_a_claim_whose_answer_was_lost_is_ours(office: UseCases) -> None:
    class Mute(LocalSubmissions):
        mute = True

        def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
            changed = super().change(parcel, attempt)
            if self.mute:
                self.mute = False
                raise Unavailable("it was done, and nobody was told")
            return changed

    letter = office.submit()
    office.worker("deaf", Mute(office.database))(office.schedule.take()[0])
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["accepted"]
