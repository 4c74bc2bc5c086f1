"""The local queue and its dispatcher, which pushes tasks as Cloud Tasks does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import pytest

from postroom.clouds.local import push, turns
from postroom.clouds.local.database import Database
from postroom.clouds.local.invocation import Backoff, Dispatcher
from postroom.clouds.local.lane import QueueLimits
from postroom.clouds.local.queue import Queue
from postroom.clouds.local.schedule import LocalSchedule
from tests.contracts.function import Answer, Call, Function
from tests.contracts.homes import dispatching
from tests.contracts.programs import started
from tests.contracts.samples import NOON, task

QUICK = Backoff(first=0.04, most=0.2)


def now() -> datetime:
    return datetime.now(UTC)


def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    end = monotonic() + seconds
    while not true():
        assert monotonic() < end, "it didn't happen"
        sleep(0.005)


def until(released: Event, which: Callable[[Call], bool] = lambda _: True) -> Callable[[Call], None]:
    """A function that answers nothing before it is released."""

    def answer(call: Call) -> None:
        if which(call):
            assert released.wait(20)

    return answer


@pytest.fixture
def schedule(database: Database) -> LocalSchedule:
    return LocalSchedule(database)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def test_the_headers_are_those_of_cloud_tasks(database: Database, schedule: LocalSchedule) -> None:
    sent = task()
    at = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
    with Function() as function, dispatching(Dispatcher(database, {"": function.url})):
        schedule.put(sent, at)
        (call,) = function.wait_for(1)
    told = {name: value for name, value in call.headers.items() if name not in ("Host", "Accept-Encoding")}
    assert told == {
        "Content-Type": "application/json",
        "Content-Length": str(len(sent.body())),
        "User-Agent": "postroom",
        "X-CloudTasks-QueueName": "mx",
        "X-CloudTasks-TaskName": sent.name,
        "X-CloudTasks-TaskRetryCount": "0",
        "X-CloudTasks-TaskExecutionCount": "0",
        "X-CloudTasks-TaskETA": "1772366400.000250",
    }
    assert call.body == sent.body()


def test_what_fails_is_tried_again_later_and_later(database: Database, schedule: LocalSchedule, queue: Queue) -> None:
    answers = [503, 404, 500, 204]
    with (
        Function(lambda call: Answer(answers[call.number])) as function,
        dispatching(Dispatcher(database, {"": function.url}, backoff=QUICK)),
    ):
        schedule.put(task(), now())
        calls = function.wait_for(4)
        wait_until(lambda: queue.waiting() == {})
    told = [
        tuple(call.headers[f"X-CloudTasks-Task{name}"] for name in ("RetryCount", "ExecutionCount", "PreviousResponse"))
        for call in calls
    ]
    assert told == [("0", "0", None), ("1", "0", "503"), ("2", "1", "404"), ("3", "1", "500")]
    assert [call.headers["X-CloudTasks-TaskRetryReason"] for call in calls[:2]] == [None, "status 503"]
    for (before, after), shortest in zip(pairwise(calls), (0.03, 0.06, 0.12), strict=True):
        assert after.at - before.at >= shortest


def test_the_wait_doubles_up_to_its_limit() -> None:
    backoff = Backoff()
    assert [backoff.seconds(n, 0.5) for n in (0, 1, 2, 9, 10, 10_000)] == [0.1, 0.2, 0.4, 51.2, 60.0, 60.0]
    assert backoff.seconds(0, 0.0) < backoff.seconds(0, 0.99) < backoff.seconds(1, 0.0)


def test_a_function_may_say_when_to_come_again(database: Database, schedule: LocalSchedule) -> None:
    with (
        Function(lambda call: Answer(429, {"Retry-After": "1"}) if call.number == 0 else None) as function,
        dispatching(Dispatcher(database, {"": function.url}, backoff=QUICK)),
    ):
        schedule.put(task(), now())
        first, second = function.wait_for(2)
    assert second.at - first.at >= 1.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, 0.0),
        ("0", 0.0),
        ("120", 120.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 11:59:00 GMT", -60.0),
        ("soon", 0.0),
        ("Sun, 99 Mar 2026 12:01:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:01:00", 0.0),
        ("", 0.0),
    ],
)
def test_when_to_come_again_is_said_in_seconds_or_as_a_date(said: str | None, seconds: float) -> None:
    assert push.Answer(503, retry_after=said).wait(NOON) == seconds


def test_without_a_function_a_task_waits_for_one(database: Database, schedule: LocalSchedule) -> None:
    with Function() as gone:
        pass
    schedule.put(task(), now())
    with dispatching(Dispatcher(database, {"": gone.url}, backoff=QUICK)):
        sleep(0.15)
    with Function() as function, dispatching(Dispatcher(database, {"": function.url}, backoff=QUICK)):
        (call,) = function.wait_for(1)
    assert int(call.headers["X-CloudTasks-TaskRetryCount"]) >= 1
    assert call.headers["X-CloudTasks-TaskPreviousResponse"] is None
    assert call.headers["X-CloudTasks-TaskRetryReason"] == "no answer: Connection refused"


def test_a_function_that_takes_too_long_is_called_again(database: Database, schedule: LocalSchedule) -> None:
    released = Event()
    with (
        Function(until(released, lambda call: call.number == 0)) as function,
        dispatching(Dispatcher(database, {"": function.url}, backoff=QUICK, push_deadline=0.1)),
    ):
        schedule.put(task(), now())
        _, again = function.wait_for(2)
        released.set()
    assert again.headers["X-CloudTasks-TaskRetryReason"] == "no answer within 0.1 s"


def test_the_same_trouble_is_told_once(
    database: Database, schedule: LocalSchedule, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Function(lambda call: Answer(500) if call.number == 0 else None) as function,
        dispatching(Dispatcher(database, {"": function.url}, backoff=QUICK)),
    ):
        for _ in range(10):
            schedule.put(task(), now())
        function.wait_for(20)
    (told,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert "queue mx" in told.getMessage()
    assert "status 500" in told.getMessage()


def test_connections_are_kept_between_pushes(database: Database, schedule: LocalSchedule) -> None:
    one = QueueLimits(concurrency=1)
    with Function() as function, dispatching(Dispatcher(database, {"": function.url}, default=one)):
        for _ in range(5):
            schedule.put(task(), now())
        calls = function.wait_for(5)
    assert len({call.connection for call in calls}) == 1


@pytest.mark.parametrize("how", [Answer(hang_up=True), Answer(say_nothing=True)])
def test_a_connection_that_went_stale_costs_no_retry(database: Database, schedule: LocalSchedule, how: Answer) -> None:
    seen: set[int] = set()

    def answer(call: Call) -> Answer:
        # The first answer on each connection is good; then the function hangs up, before or at the next request.
        if call.connection in seen:
            return how
        seen.add(call.connection)
        return Answer(hang_up=how.hang_up)

    function = Function(answer)
    one = QueueLimits(concurrency=1)
    with function, dispatching(Dispatcher(database, {"": function.url}, default=one, backoff=Backoff(30.0))):
        for _ in range(4):
            sent = task()
            schedule.put(sent, now())
            wait_until(lambda sent=sent: any(call.name == sent.name for call in function.calls))  # type: ignore[misc]
            sleep(0.02)
        wait_until(lambda: Queue(database).waiting() == {})
    assert {call.headers["X-CloudTasks-TaskRetryCount"] for call in function.calls} == {"0"}
    assert len({call.connection for call in function.calls}) >= 2


def test_a_name_that_is_waiting_or_running_swallows_another(database: Database, schedule: LocalSchedule) -> None:
    sent, released = task(), Event()
    schedule.put(sent, now())
    schedule.put(sent, now())
    with (
        Function(until(released)) as function,
        dispatching(Dispatcher(database, {"": function.url})),
    ):
        function.wait_for(1)
        schedule.put(sent, now())
        released.set()
        wait_until(lambda: Queue(database).waiting() == {})
        schedule.put(sent, now())
        schedule.put(task(), now())
        function.wait_for(2)
        sleep(0.05)
    assert [call.name for call in function.calls].count(sent.name) == 1


def test_a_name_is_free_again_after_an_hour(database: Database, queue: Queue) -> None:
    sent, begin = task(), now()

    def put(after: timedelta) -> None:
        LocalSchedule(database, clock=lambda: begin + after).put(sent, begin + after)

    put(timedelta())
    queue.record(queue.due("mx", begin, 1), [], begin)
    put(timedelta(minutes=59))
    assert queue.waiting() == {}
    put(timedelta(minutes=60))
    (again,) = queue.due("mx", begin + timedelta(hours=1), 10)
    assert (again.name, again.body, again.retries) == (sent.name, sent.body(), 0)


def test_old_tombstones_are_cleared_away(database: Database, schedule: LocalSchedule, queue: Queue) -> None:
    begin = now()
    for _ in range(3):
        schedule.put(task(), begin)
    queue.record(queue.due("mx", begin, 3), [], begin)
    assert database.read("SELECT count(*) FROM tasks") == [(3,)]
    queue.record([], [], begin + timedelta(hours=1))
    assert database.read("SELECT count(*) FROM tasks") == [(0,)]


def test_a_canceled_task_does_not_run(database: Database, schedule: LocalSchedule, queue: Queue) -> None:
    kept, canceled = task(), task()
    for each in (canceled, kept):
        schedule.put(each, now())
    schedule.cancel(canceled)
    schedule.cancel(canceled)
    assert queue.waiting() == {"mx": 1}
    with Function() as function, dispatching(Dispatcher(database, {"": function.url})):
        function.wait_for(1)
        sleep(0.05)
    assert [call.name for call in function.calls] == [kept.name]


def test_a_killed_dispatcher_s_tasks_run_again(tmp_path: Path, schedule: LocalSchedule, queue: Queue) -> None:
    sent, released = [task() for _ in range(5)], Event()
    with (
        Function(until(released)) as function,
        started(tmp_path, "dispatch", function.url) as first,
        started(tmp_path, "dispatch", function.url),
    ):
        for each in sent:
            schedule.put(each, now())
        function.wait_for(5)
        sleep(0.05)
        assert len(function.calls) == 5  # the second waits while the first is there
        first.kill()
        first.wait()
        released.set()
        calls = function.wait_for(10)
        wait_until(lambda: queue.waiting() == {})
    assert {call.name for call in calls[5:]} == {each.name for each in sent}


def test_what_is_under_way_may_end_when_the_dispatcher_stops(
    database: Database, schedule: LocalSchedule, queue: Queue
) -> None:
    with Function(lambda _: sleep(0.1)) as function:
        with dispatching(Dispatcher(database, {"": function.url})):
            schedule.put(task(), now())
            function.wait_for(1)
        assert queue.waiting() == {}


def test_what_does_not_end_within_the_grace_runs_again(
    database: Database, schedule: LocalSchedule, queue: Queue
) -> None:
    released = Event()
    with Function(until(released)) as function:
        with dispatching(Dispatcher(database, {"": function.url}, grace=0.05)):
            schedule.put(task(), now())
            function.wait_for(1)
        assert queue.waiting() == {"mx": 1}
        released.set()


def test_a_queue_whose_tasks_hang_blocks_no_other(database: Database, schedule: LocalSchedule) -> None:
    released = Event()
    limits = {"slow": QueueLimits(concurrency=2)}
    with (
        Function(until(released, lambda call: call.queue == "slow")) as function,
        dispatching(Dispatcher(database, {"": function.url}, limits=limits, most_threads=2)),
    ):
        for _ in range(50):
            schedule.put(task("slow"), now())
        function.wait_for(2)
        for _ in range(20):
            schedule.put(task("fast"), now())
        calls = function.wait_for(22)
        released.set()
        function.wait_for(70)
    assert [call.queue for call in calls[2:]] == ["fast"] * 20


def test_a_destination_whose_tasks_hang_has_a_share_of_the_workers_and_the_others_have_the_rest(
    database: Database, schedule: LocalSchedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SLOW", 0.1)
    released = Event()
    stalled = [task(destination="stalled.example") for _ in range(300)]
    schedule.put_many([(each, NOON) for each in stalled])
    names = {each.name for each in stalled}
    sixteen = QueueLimits(concurrency=16)
    with (
        Function(until(released, lambda call: call.name in names)) as function,
        dispatching(Dispatcher(database, {"": function.url}, default=sixteen)),
    ):
        function.wait_for(2)
        sleep(0.2)
        began = monotonic()
        for number in range(40):
            schedule.put(task(destination=f"{number % 20}.example"), now())
        calls = function.wait_for(42)
        assert monotonic() - began < 2.0
        assert sum(call.name in names for call in calls) == 2, "an eighth of them"
        released.set()
        function.wait_for(340)
        wait_until(lambda: Queue(database).waiting() == {})
    assert len({call.name for call in function.calls}) == len(function.calls) == 340, "each once"


def test_a_backlog_of_one_destination_s_keeps_nobody_waiting_behind_it(
    database: Database, schedule: LocalSchedule
) -> None:
    released = Event()
    ahead = [task(destination="first.example") for _ in range(300)]
    schedule.put_many([(each, NOON) for each in ahead])
    names = {each.name for each in ahead}
    with (
        Function(until(released, lambda call: call.name in names)) as function,
        dispatching(Dispatcher(database, {"": function.url})),
    ):
        function.wait_for(8)
        schedule.put(task(destination="second.example"), now())
        calls = function.wait_for(9)
        assert [call.name in names for call in calls] == [True] * 8 + [False], "long before anybody counts as slow"
        released.set()
        function.wait_for(301)


def test_no_more_of_a_queue_s_tasks_run_at_once_than_may(database: Database, schedule: LocalSchedule) -> None:
    three = QueueLimits(concurrency=3)
    with (
        Function(lambda _: sleep(0.01)) as function,
        dispatching(Dispatcher(database, {"": function.url}, default=three)),
    ):
        for _ in range(30):
            schedule.put(task(), now())
        function.wait_for(30)
    assert function.most_running == 3


def test_no_more_of_a_queue_s_tasks_begin_in_a_second_than_may(database: Database, schedule: LocalSchedule) -> None:
    for _ in range(20):
        schedule.put(task(), now())
    limits = {"mx": QueueLimits(rate_per_second=50)}
    with Function() as function, dispatching(Dispatcher(database, {"": function.url}, limits=limits)):
        calls = function.wait_for(20)
    assert 0.25 < calls[-1].at - calls[0].at < 1.0  # five at once, then one each 20 ms


def test_where_letters_are_counted_a_task_of_several_counts_as_so_many(
    database: Database, schedule: LocalSchedule
) -> None:
    limits = {"mx": QueueLimits(rate_per_second=50)}
    with Function() as function, dispatching(Dispatcher(database, {"": function.url}, limits=limits)):
        schedule.put(replace(task(), parcels=tuple(part for _ in range(40) for part in task().parcels)), now())
        function.wait_for(1)
        schedule.put(task(), now())
        first, second = function.wait_for(2)
    assert second.at - first.at > 0.3  # five at once, and one each 20 ms for the others


def test_a_queue_with_a_rate_goes_on_while_its_first_tasks_hang(database: Database, schedule: LocalSchedule) -> None:
    released, hanging = Event(), [task() for _ in range(5)]
    limits = {"mx": QueueLimits(rate_per_second=20)}
    with (
        Function(until(released, lambda call: call.name in {each.name for each in hanging})) as function,
        dispatching(Dispatcher(database, {"": function.url}, limits=limits)),
    ):
        for each in hanging:
            schedule.put(each, now())
        function.wait_for(5)
        for _ in range(3):
            schedule.put(task(), now())
        function.wait_for(8)
        released.set()


def test_the_longest_start_of_a_queue_s_name_decides_on_its_function(
    database: Database, schedule: LocalSchedule
) -> None:
    with Function() as deliver, Function() as notify:
        targets = {"": deliver.url, "event": notify.url}
        with dispatching(Dispatcher(database, targets)):
            for name in ("mx", "events", "even"):
                schedule.put(task(name), now())
            assert {call.queue for call in deliver.wait_for(2)} == {"mx", "even"}
            assert {call.queue for call in notify.wait_for(1)} == {"events"}


def test_a_queue_that_no_function_is_named_for_waits(database: Database, schedule: LocalSchedule, queue: Queue) -> None:
    with Function() as function, dispatching(Dispatcher(database, {"mx": function.url})):
        schedule.put(task("other"), now())
        schedule.put(task("mx"), now())
        function.wait_for(1)
        wait_until(lambda: queue.waiting() == {"other": 1})


def test_while_the_database_is_away_the_dispatcher_waits(database: Database, schedule: LocalSchedule) -> None:
    with Function() as function, dispatching(Dispatcher(database, {"": function.url})):
        schedule.put(task(), now())
        function.wait_for(1)
        wait_until(lambda: Queue(database).waiting() == {})
        database.write(lambda connection: connection.execute("ALTER TABLE tasks RENAME TO hidden"))
        sleep(0.05)
        database.write(lambda connection: connection.execute("ALTER TABLE hidden RENAME TO tasks"))
        schedule.put(task(), now())
        function.wait_for(2)
