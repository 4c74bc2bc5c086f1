"""A destination that is dead rests, a slow one has few places, and what either costs the others is next to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from postroom.admission import TRIAL, Admission, NotNow
from postroom.clouds.local.directory import LocalDirectory
from postroom.deliver import Deliver
from postroom.delivery.health import PLACES
from postroom.delivery.routes_file import parse_routes
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask
from postroom.ports import NoAnswer, Unavailable
from postroom.smtp.envelope import Mail
from postroom.smtp.verdict import Fate, Verdict
from tests.usecases.office import NOON, UseCases, taken

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def unreached(mail: Mail) -> tuple[Verdict, ...]:
    return tuple(Verdict(each, Fate.DEFERRED, cause="connection_refused") for each in mail.recipients)


def brought(office: UseCases, letter: Submission) -> DeliveryTask:
    """The task of that letter that was put last, taken out of the queue."""
    mine = [each for each in office.schedule.put_ if each[0].parcels[0].submission == letter.id]
    office.schedule.put_ = [each for each in office.schedule.put_ if each not in mine]
    return mine[-1][0]


def put_for(office: UseCases, letter: Submission) -> list[float]:
    """The seconds after now at which the letter's tasks come."""
    return [
        (at - office.now).total_seconds()
        for task, at in office.schedule.put_
        if task.parcels[0].submission == letter.id
    ]


def attempt(office: UseCases, *to: str, **options: object) -> Submission:
    letter = office.submit(*to, **options)
    office.deliver(brought(office, letter))
    return letter


def exhaust(office: UseCases, domain: str = "dead.example") -> None:
    """Have sessions with the destination fail until it rests for a minute from now on."""
    office.wire.judge = unreached
    for number in range(3):
        advance(office, MINUTE if number else timedelta())
        attempt(office, f"{number}@{domain}")
    office.wire.carried.clear()
    office.schedule.put_.clear()


def advance(office: UseCases, by: timedelta) -> None:
    office.now += by
    office.seconds += by.total_seconds()


@dataclass
class Counting:
    """A directory whose every call is counted."""

    directory: LocalDirectory
    calls: Counter[str] = field(default_factory=Counter)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        self.calls[method] += 1
        call: Callable[..., Any] = getattr(self.directory, method)
        return call


def counted(office: UseCases) -> tuple[Deliver, Counter[str]]:
    counting = Counting(office.directory)
    return replace(office.deliver, admission=replace(office.deliver.admission, directory=counting)), counting.calls


def test_a_healthy_destination_costs_one_read_in_ten_seconds_and_no_write(office: UseCases) -> None:
    deliver, calls = counted(office)
    for _ in range(20):
        deliver(brought(office, office.submit()))
        advance(office, SECOND / 2.5)
    assert calls == {"get": 1}
    advance(office, 3 * SECOND)
    deliver(brought(office, office.submit()))
    assert calls == {"get": 2}
    assert len(office.wire.carried) == 21
    assert office.directory.list("health") == []


def test_nothing_is_attempted_while_a_destination_rests(office: UseCases) -> None:
    exhaust(office)
    letter = office.submit("bob@dead.example")
    before = office.stored(letter)
    office.deliver(brought(office, letter))
    (seconds,) = put_for(office, letter)
    assert 60 <= seconds <= 72
    assert office.stored(letter) == before, "no claim, no attempt, nothing written"
    assert office.wire.carried == []
    assert office.outcomes(letter) == []


def test_a_fallback_carries_the_letter_while_the_destination_rests(tmp_path: Path) -> None:
    routes = parse_routes(
        '[[route]]\nname = "mx"\nfallback = "relay"\n[[route]]\nname = "relay"\nvia = "smtp://relay.example.org"\n',
        {},
    )
    office = UseCases(tmp_path, routes)
    try:
        exhaust(office)
        office.wire.targets.clear()
        office.wire.judge = taken
        letter = attempt(office, "bob@dead.example")
        assert office.statuses(letter) == ["delivered"]
        (target,) = office.wire.targets
        assert target.route == "relay"
    finally:
        office.close()


def test_what_a_fallback_carries_is_no_sign_of_life_of_the_destination(office: UseCases) -> None:
    """Its own servers couldn't be reached, whoever else took the letter."""
    office.wire.judge, office.wire.missed = taken, "connection_timeout"
    for _ in range(3):
        attempt(office, "bob@dead.example")
        advance(office, 11 * SECOND)
    (_, health) = office.directory.list("health")[0]
    assert health["cause"] == "connection_timeout"


def test_the_others_never_notice(office: UseCases) -> None:
    exhaust(office)
    office.wire.judge = taken
    letter = attempt(office, "bob@well.example")
    assert office.statuses(letter) == ["delivered"]


def test_all_workers_hear_of_a_rest(office: UseCases) -> None:
    exhaust(office)
    letter = office.submit("bob@dead.example")
    office.worker("another")(brought(office, letter))
    assert office.wire.carried == []


def test_the_letters_that_found_out_keep_their_own_schedule(office: UseCases) -> None:
    office.wire.judge = unreached
    for number in range(3):
        letter = attempt(office, "bob@dead.example")
        assert put_for(office, letter) == [60]
        assert office.stored(letter).recipients[0].cause == "connection_refused"
        advance(office, MINUTE * (number < 2))
    assert office.directory.list("health")[0][0] == "mx/dead.example"


def test_a_refused_letter_makes_nobody_rest(office: UseCases) -> None:
    office.wire.judge = lambda mail: tuple(Verdict(each, Fate.REFUSED, cause="policy") for each in mail.recipients)
    for _ in range(5):
        attempt(office, "bob@strict.example")
        advance(office, MINUTE)
    assert office.directory.list("health") == []


def test_dns_that_does_not_answer_makes_a_destination_rest_too(office: UseCases) -> None:
    office.resolver.answer = NoAnswer("SERVFAIL")
    exhaust(office)
    office.resolver.answer = NoAnswer("asked again")
    letter = attempt(office, "bob@dead.example")
    assert office.outcomes(letter) == []


def test_one_letter_tries_after_the_rest_and_the_others_wait_for_what_it_finds(office: UseCases) -> None:
    exhaust(office)
    first, second = office.submit("1@dead.example"), office.submit("2@dead.example")
    tasks = [brought(office, each) for each in (first, second)]
    advance(office, 61 * SECOND)
    # While the first is under way, the second comes to another worker.
    office.wire.before = lambda: office.worker("another")(tasks[1])
    office.deliver(tasks[0])
    assert [mail.recipients for mail in office.wire.carried] == [("1@dead.example",)]
    assert office.outcomes(second) == []
    (seconds,) = put_for(office, second)
    assert 5 < seconds < 75
    assert office.directory.list("slot") == [], "the place is given back"
    office.wire.before = lambda: None
    office.deliver(brought(office, second))
    (seconds,) = put_for(office, second)
    assert 120 <= seconds <= 144, "the trial failed, and the next rest is longer"


def test_a_worker_whose_memory_is_old_tries_nothing_after_a_trial_that_failed(office: UseCases) -> None:
    exhaust(office)
    advance(office, 61 * SECOND)
    late = office.worker("late")
    letters = [office.submit(f"{number}@dead.example") for number in range(2)]
    tasks = [brought(office, each) for each in letters]
    assert not isinstance(late.admission(tasks[1]), NotNow)  # it has seen that the rest was over
    office.directory.delete("slot", "mx/dead.example/trial")
    office.deliver(tasks[0])
    office.wire.carried.clear()
    late(tasks[1])
    assert office.wire.carried == []


def test_a_single_success_ends_it_all(office: UseCases) -> None:
    exhaust(office)
    advance(office, 61 * SECOND)
    office.wire.judge = taken
    letters = [attempt(office, f"{number}@dead.example") for number in range(5)]
    assert [office.statuses(each) for each in letters] == [["delivered"]] * 5
    assert office.directory.list("health") == office.directory.list("slot") == []


def test_a_trial_whose_worker_died_keeps_the_others_away_for_two_minutes(office: UseCases) -> None:
    exhaust(office)
    advance(office, 61 * SECOND)
    task, admission = brought(office, office.submit("1@dead.example")), office.deliver.admission
    admission(task)  # it takes the place, and is never heard of again
    assert isinstance(admission(task), NotNow)
    advance(office, TRIAL)
    assert not isinstance(admission(task), NotNow)


def test_a_letter_that_is_too_old_expires_while_its_destination_rests(office: UseCases) -> None:
    exhaust(office)
    letter = office.submit("bob@dead.example", expires_at=office.now + 20 * SECOND)
    office.deliver(brought(office, letter))
    (seconds,) = put_for(office, letter)
    assert 20 < seconds < 20.1, "at its own end, not at the rest's"
    advance(office, timedelta(seconds=seconds))
    office.deliver(brought(office, letter))
    assert office.statuses(letter) == ["expired"]
    assert office.stored(letter).recipients[0].cause == "connection_refused", "why nobody was asked"
    assert office.wire.carried == []
    assert office.schedule.put_ == []


def test_a_letter_that_was_taken_back_during_a_rest_is_gone(office: UseCases) -> None:
    exhaust(office)
    letter = office.submit("bob@dead.example")
    office.deliver(brought(office, letter))
    assert office.deliver.claims.cancel(letter.id, 0, office.now)
    office.deliver(brought(office, letter))
    assert office.statuses(letter) == ["canceled"]
    assert office.schedule.put_ == []


def test_a_dead_worker_s_letter_is_said_to_be_abandoned_though_its_destination_rests(office: UseCases) -> None:
    letter = office.submit("bob@dead.example")
    task = brought(office, letter)
    office.die_with(task)
    office.kill_the_last()
    exhaust(office)
    office.deliver(task)
    assert office.outcomes(letter) == ["abandoned"]
    assert office.statuses(letter) == ["queued"]
    office.deliver(brought(office, letter))
    assert 60 <= put_for(office, letter)[0] <= 72
    assert office.wire.carried == []


def test_copies_of_a_task_that_wait_for_the_same_end_become_one(office: UseCases) -> None:
    exhaust(office)
    letter = office.submit("bob@dead.example")
    task = brought(office, letter)
    office.deliver(task)
    advance(office, 5 * SECOND)
    office.deliver(task.again())  # such as the sweep puts
    names = {each.name for each, _ in office.schedule.put_}
    assert len(office.schedule.put_) == 2
    assert len(names) == 1
    assert names.isdisjoint({task.name, task.again().name})
    assert DeliveryTask.from_body(office.schedule.put_[0][0].body()) == office.schedule.put_[0][0]


def silent_for(office: UseCases, seconds: float) -> Callable[[], None]:
    return lambda: advance(office, timedelta(seconds=seconds))


def slow_down(office: UseCases) -> None:
    office.wire.before = silent_for(office, 21)
    attempt(office, "bob@slow.example")
    office.wire.before = lambda: None


def test_a_slow_destination_has_few_places_and_the_rest_comes_again(office: UseCases) -> None:
    slow_down(office)
    ask, letters = office.deliver.admission, [office.submit(f"{n}@slow.example") for n in range(PLACES + 3)]
    answers = [ask(brought(office, letter)) for letter in letters]
    assert [isinstance(answer, NotNow) for answer in answers] == [False] * PLACES + [True] * 3
    assert len(office.directory.list("slot")) == PLACES
    visit = answers[0]
    assert not isinstance(visit, NotNow)
    with visit:
        pass
    assert not isinstance(ask(office.submit("one@slow.example").parcels[0].task()), NotNow)
    assert isinstance(ask(office.submit("more@slow.example").parcels[0].task()), NotNow)
    assert not isinstance(ask(office.submit("bob@well.example").parcels[0].task()), NotNow)


def test_a_letter_that_finds_no_place_waits_unclaimed(office: UseCases) -> None:
    slow_down(office)
    letters = [office.submit(f"{n}@slow.example") for n in range(PLACES + 1)]
    for letter in letters[:PLACES]:
        office.deliver.admission(brought(office, letter))
    before = office.stored(letters[PLACES])
    office.deliver(brought(office, letters[PLACES]))
    assert office.stored(letters[PLACES]) == before
    assert 3 < put_for(office, letters[PLACES])[0] < 7


def test_the_places_of_dead_workers_are_free_once_their_time_is_over(office: UseCases) -> None:
    slow_down(office)
    for number in range(PLACES):
        office.deliver.admission(office.submit(f"{number}@slow.example").parcels[0].task())
    advance(office, timedelta(seconds=780))
    slow_down(office)
    assert office.statuses(attempt(office, "bob@slow.example")) == ["delivered"]


def test_a_session_that_is_silent_now_makes_its_destination_slow_before_it_ends(office: UseCases) -> None:
    tasks = [office.submit(f"{number}@slow.example").parcels[0].task() for number in range(PLACES + 2)]
    ask = office.deliver.admission
    silent = ask(tasks[0])
    assert not isinstance(silent, NotNow)
    with silent:
        advance(office, 21 * SECOND)
        answers = [isinstance(ask(task), NotNow) for task in tasks[1:]]
    assert answers == [False] * PLACES + [True]


def test_a_slow_one_that_is_fast_again_has_no_limit_after_a_while(office: UseCases) -> None:
    slow_down(office)
    advance(office, 10 * MINUTE)
    attempt(office, "bob@slow.example")
    assert office.directory.list("health") == office.directory.list("slot") == []


class Away(LocalDirectory):
    """A directory that can be read and not written."""

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        raise Unavailable(f"{kind} {key} {document}")


def test_news_that_could_not_be_written_is_no_reason_to_carry_a_letter_again(office: UseCases) -> None:
    admission: Admission = replace(office.deliver.admission, directory=Away(office.database))
    office.wire.judge = unreached
    letter = office.submit("bob@dead.example")
    replace(office.deliver, admission=admission)(brought(office, letter))
    assert office.outcomes(letter) == ["deferred"]
    assert office.now == NOON
