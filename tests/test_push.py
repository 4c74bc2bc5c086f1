"""What a pushed task is answered: 2xx removes it from the queue, anything else brings it back."""

import json
from collections.abc import Callable

import pytest
from flask import Flask, Request, request
from flask.testing import FlaskClient
from werkzeug.wrappers import Response

from postroom.clouds.push import Endpoint, bearer, task_endpoint, timer_endpoint
from postroom.delivery.task import DeliveryTask
from postroom.ports import Unavailable
from postroom.sweep import Swept

TASK = DeliveryTask("default", "mx", "example.net", ())
SECRET = {"Authorization": "Bearer secret"}


def client(deliver: Callable[[DeliveryTask], None], secret: str | None = "secret") -> FlaskClient:
    return serving(task_endpoint(lambda: deliver, None if secret is None else bearer(secret), DeliveryTask.from_body))


def serving(endpoint: Endpoint) -> FlaskClient:
    app = Flask("function")

    @app.route("/", methods=["GET", "POST"])
    def function() -> Response:
        return endpoint(Request(request.environ))

    return app.test_client()


def fails(error: Exception) -> Callable[[DeliveryTask], None]:
    def deliver(_: DeliveryTask) -> None:
        raise error

    return deliver


def test_a_task_is_carried_and_acknowledged() -> None:
    carried: list[DeliveryTask] = []
    answer = client(carried.append).post("/", data=TASK.body(), headers=SECRET)
    assert (answer.status_code, carried) == (200, [TASK])


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("the disk is full"), 503), (RuntimeError("secret detail"), 500)]
)
def test_what_could_not_be_recorded_comes_again_and_tells_nothing(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = client(fails(error)).post("/", data=TASK.body(), headers={**SECRET, "X-CloudTasks-TaskName": "t1"})
    assert answer.status_code == status
    assert "secret detail" not in answer.text
    logged = capsys.readouterr().err
    assert '"task": "t1"' in logged
    assert logged.count("\n") == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer sécret"}])
def test_nobody_else_may_push(headers: dict[str, str]) -> None:
    carried: list[DeliveryTask] = []
    assert client(carried.append).post("/", data=TASK.body(), headers=headers).status_code == 401
    assert carried == []


def test_garbage_is_no_task() -> None:
    pushed = client(fails(AssertionError("never called")))
    assert pushed.post("/", data=b"garbage", headers=SECRET).status_code == 500
    assert pushed.post("/", data=b"x" * 2_000_000, headers=SECRET).status_code == 413
    for number in (-1, 2**60, 1.5, "1", True, float("inf")):
        body = TASK.body().replace(b"[]", json.dumps([["id", 0, number, 0]]).encode())
        assert pushed.post("/", data=body, headers=SECRET).status_code == 500, number
    assert pushed.get("/", headers=SECRET).status_code == 405


def test_the_timer_is_told_what_a_sweep_did(capsys: pytest.CaptureFixture[str]) -> None:
    timer = serving(timer_endpoint(lambda: lambda: Swept(walked=3, put_back=1), bearer("secret")))
    answer = timer.post("/", data=b"{}", headers=SECRET)
    assert (answer.status_code, answer.json) == (
        200,
        {"walked": 3, "followed": 0, "put_back": 1, "told": 0, "caught_up": True, "gone": 0},
    )
    assert '"put_back": 1' in capsys.readouterr().out, "the operator is told of what was stranded"


def test_a_sweep_is_for_the_timer_alone() -> None:
    def never() -> Swept:
        raise AssertionError("called")

    timer = serving(timer_endpoint(lambda: never, bearer("secret")))
    assert timer.post("/", data=b"{}").status_code == 401
    assert timer.get("/", headers=SECRET).status_code == 405


def test_a_sweep_that_fails_is_told_as_a_failure() -> None:
    def fails() -> Swept:
        raise Unavailable("the store is away")

    timer = serving(timer_endpoint(lambda: fails, None))
    assert timer.post("/", data=b"{}").status_code == 503


def test_who_proves_nothing_learns_nothing_while_nobody_can_tell_who_it_is() -> None:
    def nobody_can_tell(_: str) -> str | None:
        raise Unavailable("the certificates can't be fetched")

    pushed = serving(
        task_endpoint(lambda: fails(AssertionError("never called")), nobody_can_tell, DeliveryTask.from_body)
    )
    assert pushed.post("/", data=TASK.body()).status_code == 503
