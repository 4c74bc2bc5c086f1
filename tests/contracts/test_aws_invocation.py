"""What Lambda calls on AWS: requests, batches of tasks, the timer and the dead letters, as it brings them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Barrier
from time import monotonic, sleep
from typing import Any

import pytest
from flask import Flask, Response, request

from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.events import ForeignEvent
from postroom.clouds.aws.invocation import AFTER_DEATH, http_handler, sweep_handler, task_handler
from postroom.delivery.notice import Notice
from postroom.delivery.record import SubmissionId
from postroom.delivery.task import DeliveryTask
from postroom.ports import Task, Unavailable
from postroom.sweep import Swept
from tests.contracts.samples import NOON, task
from tests.homes.gateway import body_of, event
from tests.homes.moto import Deployment, deployed, missing
from tests.homes.pollers import Context, Poller, batch

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


TIMER = {"postroom": "sweep"}
SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "version": "0"}


def never() -> Any:
    """The making of a use case that isn't wanted."""
    pytest.fail("this event is none of its business")


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with deployed() as made:
        yield made


# Requests.


def echo() -> Flask:
    app = Flask("echo")

    @app.route("/<path:path>", methods=["GET", "POST", "HEAD"])
    def say(path: str) -> Response:
        answer = Response(request.get_data(), content_type=request.content_type)
        answer.headers["X-Path"] = path
        answer.headers["X-Query"] = request.query_string.decode()
        answer.headers["X-Cookies"] = json.dumps(request.cookies)
        answer.headers["X-Seen-Id"] = request.headers.get("X-Request-Id", "")
        answer.headers["X-Scheme"] = request.scheme
        answer.set_cookie("one", "1")
        answer.set_cookie("two", "2")
        return answer

    return app


@pytest.fixture(params=[False, True], ids=["http-api", "function-url"])
def ask(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    handler = http_handler(echo())

    def asked(*arguments: Any, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = handler(event(*arguments, **more, function_url=request.param), Context())
        json.dumps(answer)  # as Lambda does with it
        return answer

    return asked


def test_a_request_reaches_the_application_and_its_answer_comes_back(ask: Callable[..., dict[str, Any]]) -> None:
    headers = [("Content-Type", "application/json"), ("Cookie", "a=1; b=2"), ("X-Request-Id", "mine")]
    answer = ask("POST", "/emails/x?limit=2&after=%C3%A9", headers, b'{"subject": "Gr\xc3\xbc\xc3\x9fe"}', base64=False)
    assert answer["statusCode"] == 200
    assert body_of(answer) == b'{"subject": "Gr\xc3\xbc\xc3\x9fe"}'
    assert answer["headers"]["x-path"] == "emails/x"
    assert answer["headers"]["x-query"] == "limit=2&after=%C3%A9"
    assert json.loads(answer["headers"]["x-cookies"]) == {"a": "1", "b": "2"}
    assert answer["headers"]["x-seen-id"] == "mine"
    assert answer["headers"]["x-scheme"] == "https"
    assert [cookie.partition(";")[0] for cookie in answer["cookies"]] == ["one=1", "two=2"]


def test_octets_that_are_no_text_come_and_go_as_base64(ask: Callable[..., dict[str, Any]]) -> None:
    octets = bytes(range(256))
    answer = ask("POST", "/octets", [("Content-Type", "application/octet-stream")], octets)
    assert answer["isBase64Encoded"]
    assert body_of(answer) == octets


def test_a_request_without_an_id_gets_the_gateways(ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("GET", "/x")["headers"]["x-seen-id"]


def test_an_encoded_path_is_read_as_every_wsgi_server_reads_it(ask: Callable[..., dict[str, Any]]) -> None:
    assert ask("GET", "/a%2Fb%20c")["headers"]["x-path"] == "a/b c"


def test_head_is_answered_without_a_body(ask: Callable[..., dict[str, Any]]) -> None:
    answer = ask("HEAD", "/x", [("Content-Type", "text/plain")])
    assert (answer["statusCode"], body_of(answer)) == (200, b"")


# Tasks.


def brought(*bodies: str) -> dict[str, Any]:
    """A batch of messages, named m0, m1 and so on."""
    messages = [
        {
            "MessageId": f"m{number}",
            "ReceiptHandle": f"r{number}",
            "Body": body,
            "MD5OfBody": "",
            "Attributes": {"ApproximateReceiveCount": "1"},
        }
        for number, body in enumerate(bodies)
    ]
    return batch(messages, "arn:aws:sqs:eu-central-1:123456789012:nowhere")


def text(one: Task) -> str:
    return one.body().decode()


class Deaf:
    """Clients of an SQS that is out of reach."""

    def sqs(self) -> Any:
        raise Unavailable("nobody is there")


def worker(deliver: Callable[[DeliveryTask], None]) -> Callable[[Any], list[str]]:
    """A handler without SQS behind it: a pause that can't be set must fail nothing."""
    clients: Any = Deaf()
    handler = task_handler(lambda: deliver, clients, DeliveryTask.from_body)
    return lambda asked: [each["itemIdentifier"] for each in handler(asked, Context())["batchItemFailures"]]


def test_every_task_of_a_batch_runs() -> None:
    ran: list[DeliveryTask] = []
    sent = [task() for _ in range(10)]
    assert worker(ran.append)(brought(*map(text, sent))) == []
    assert sorted(each.name for each in ran) == sorted(each.name for each in sent)


def test_tasks_of_a_batch_do_not_wait_for_each_other() -> None:
    tasks = 20  # a batch may hold more than the calls that are made of a home at once
    together = Barrier(tasks)

    def deliver(_: DeliveryTask) -> None:
        together.wait(5)  # breaks, and fails the task, where one doesn't come

    assert worker(deliver)(brought(*(text(task()) for _ in range(tasks)))) == []


def test_only_what_failed_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = task(), task()

    def deliver(one: DeliveryTask) -> None:
        if one == bad:
            raise Unavailable("the table is away")

    assert worker(deliver)(brought(text(good), text(bad), "not a task", text(good))) == ["m1", "m2"]
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {each["message_id"] for each in said} == {"m1", "m2"}
    assert any("the table is away" in each["message"] for each in said)
    assert any("not a delivery task" in each["message"] for each in said)


def test_a_failed_task_comes_again_after_a_pause_that_grows(deployment: Deployment) -> None:
    sqs, queue = deployment.clients.sqs(), deployment.queue("mx")
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    set_to: list[int] = []

    def fail(_: DeliveryTask) -> None:
        raise Unavailable("not today")

    def spied(params: dict[str, Any], **_: Any) -> None:
        set_to.append(params["VisibilityTimeout"])

    sqs.meta.events.register("before-parameter-build.sqs.ChangeMessageVisibility", spied, unique_id="spy")
    sqs.send_message(QueueUrl=queue, MessageBody=text(task()))
    (message,) = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=["All"])["Messages"]
    handler = task_handler(lambda: fail, deployment.clients, DeliveryTask.from_body)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    for count in (1, 2, 5, 9, 1000):
        message["Attributes"]["ApproximateReceiveCount"] = str(count)
        assert handler(batch([message], arn), Context())["batchItemFailures"] == [
            {"itemIdentifier": message["MessageId"]}
        ]
    sqs.meta.events.unregister("before-parameter-build.sqs.ChangeMessageVisibility", unique_id="spy")
    assert set_to == [10, 20, 160, 900, 900]
    state = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert state["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_what_was_done_is_deleted_and_what_failed_is_kept(deployment: Deployment) -> None:
    sqs, queue = deployment.clients.sqs(), deployment.queue("mx")
    bad, ran = task(), []

    def deliver(one: DeliveryTask) -> None:
        ran.append(one)
        if one == bad:
            raise Unavailable("not today")

    for one in (task(), bad, task()):
        sqs.send_message(QueueUrl=queue, MessageBody=text(one))
    with Poller(deployment.clients, queue, task_handler(lambda: deliver, deployment.clients, DeliveryTask.from_body)):
        end = monotonic() + 5
        while len(ran) < 3 and monotonic() < end:
            sleep(0.02)
    state = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert state["ApproximateNumberOfMessages"] == "0"
    assert state["ApproximateNumberOfMessagesNotVisible"] == "1"


# The timer and the dead letters.


class Kept:
    """A schedule that keeps what is put, and is out of reach for one task."""

    def __init__(self, refused: DeliveryTask | None = None) -> None:
        self.put_at: list[tuple[Task, datetime]] = []
        self._refused = refused

    def put(self, task: Task, not_before: datetime) -> None:
        refused = self._refused.parcels[0].submission if self._refused is not None else None
        if isinstance(task, DeliveryTask) and task.parcels[0].submission == refused:
            raise Unavailable("the queue is away")
        self.put_at.append((task, not_before))

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        raise AssertionError(f"dead letters are put one by one: {tasks}")

    def cancel(self, task: Task) -> None:
        raise AssertionError(f"nobody takes a dead letter back: {task}")


@pytest.mark.parametrize("timer", [TIMER, SCHEDULED])
def test_the_timer_sweeps(timer: Any) -> None:
    handler = sweep_handler(lambda: lambda: Swept(walked=3), Kept(), lambda: NOON)
    assert handler(timer, Context()) == {
        "walked": 3,
        "followed": 0,
        "put_back": 0,
        "told": 0,
        "caught_up": True,
        "gone": 0,
    }


def test_a_dead_letter_is_put_again_under_another_name_after_a_while() -> None:
    schedule = Kept()
    dead = task()
    handler = sweep_handler(never, schedule, lambda: NOON)
    assert handler(brought(text(dead)), Context()) == {"batchItemFailures": []}
    again = replace(dead, parcels=tuple(replace(ref, generation=ref.generation + 1) for ref in dead.parcels))
    assert schedule.put_at == [(again, NOON + AFTER_DEATH)]
    assert again.name != dead.name


def test_a_dead_notice_is_put_again_under_another_name_after_a_while() -> None:
    schedule = Kept()
    dead = Notice("a webhook", ((SubmissionId("a letter"), 0),), turn=2)
    assert sweep_handler(never, schedule, lambda: NOON)(brought(text(dead)), Context()) == {"batchItemFailures": []}
    ((again, at),) = schedule.put_at
    assert isinstance(again, Notice)
    assert (again.webhook, again.parcels, at) == (dead.webhook, dead.parcels, NOON + AFTER_DEATH)
    assert again.name != dead.name


def test_a_dead_letter_that_can_not_be_put_again_stays(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = task(), task()
    schedule = Kept(refused=one)
    handler = sweep_handler(never, schedule, lambda: NOON)
    answer = handler(brought(text(one), "{nobody can read this", text(other)), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert len(schedule.put_at) == 1
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [each["text"] for each in said if "text" in each] == ["{nobody can read this"]


# Foreign events.


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        [],
        "sweep",
        {},
        {"Records": []},
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": [{"eventSource": "aws:sqs"}, "x"]},
        {"version": "1.0", "path": "/", "httpMethod": "GET", "headers": {"authorization": "Bearer secret"}},
        {"version": "2.0", "headers": {}, "requestContext": {}, "rawPath": "/"},
        {"source": "aws.events", "detail-type": "Something else"},
        {"postroom": "else"},
    ],
)
def test_a_foreign_event_is_refused_and_logged_without_what_it_carries(
    foreign: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = (
        http_handler(echo()),
        task_handler(never, Clients(), DeliveryTask.from_body),
        sweep_handler(never, Kept(), lambda: NOON),
    )
    for handler in handlers:
        with pytest.raises(ForeignEvent):
            handler(foreign, Context())
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [each["severity"] for each in said] == ["ERROR"] * 3
    assert "secret" not in json.dumps(said)


def test_a_function_refuses_what_another_one_is_for() -> None:
    for handler, foreign in (
        (http_handler(echo()), brought(text(task()))),
        (http_handler(echo()), TIMER),
        (task_handler(never, Clients(), DeliveryTask.from_body), event("GET", "/")),
        (task_handler(never, Clients(), DeliveryTask.from_body), TIMER),
        (sweep_handler(never, Kept(), lambda: NOON), event("GET", "/")),
    ):
        with pytest.raises(ForeignEvent):
            handler(foreign, Context())
