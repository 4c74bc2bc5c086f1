"""The API under functions-framework, which serves it everywhere but on AWS: ours answers, not its own application."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask import Flask
from functions_framework import create_app as load
from werkzeug.test import Client, EnvironBuilder

from postroom import wiring
from postroom.clouds.framework import Drained, taking_over
from postroom.settings import Settings
from tests.journeys.office import KEY, ROOT

LARGEST = 1000


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Speaks with functions/submit as functions-framework has loaded it."""
    variables = {"POSTROOM_DATA": str(tmp_path), "POSTROOM_BOOTSTRAP_KEY": KEY, "POSTROOM_HELO": "client.example.org"}
    secrets = wiring.prepare(Settings.from_environment(variables)).secrets()
    for name, value in {**variables, **secrets}.items():
        monkeypatch.setenv(name, value)
    return Client(load("submit", str(ROOT / "functions" / "submit" / "main.py")))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("path", ["/emails/", "/emails//", "/favicon.ico", "/robots.txt", "/nothing"])
def test_every_path_is_the_api_s(client: Client, path: str) -> None:
    answer = client.post(path, json={})
    assert answer.content_type == "application/json"
    assert answer.status_code == (401 if "emails" in path else 404)
    assert answer.headers["X-Request-Id"]


def test_a_body_is_read_to_its_end_whatever_is_answered(client: Client) -> None:
    body = io.BytesIO(b"x" * 500_000)
    answer = client.post(
        "/emails", input_stream=body, content_length=500_000, environ_base={"wsgi.input_terminated": True}
    )
    assert answer.status_code == 401
    assert body.read() == b""


def test_a_body_without_end_is_read_as_far_as_one_may_be_long() -> None:
    body = io.BytesIO(b"x" * 500_000)
    environ = EnvironBuilder(
        method="POST", input_stream=body, environ_base={"wsgi.input_terminated": True}
    ).get_environ()
    assert b"".join(Drained(lambda *_: [b"answer"], LARGEST)(environ, lambda *_: lambda _: None)) == b"answer"
    assert LARGEST <= body.tell() < 200_000


def test_a_body_whose_end_nobody_knows_is_left_alone() -> None:
    body = io.BytesIO(b"x" * 500_000)
    environ = EnvironBuilder(method="POST", input_stream=body).get_environ()
    list(Drained(lambda *_: [], LARGEST)(environ, lambda *_: lambda _: None))
    assert body.tell() == 0


def test_without_an_application_to_take_over_it_is_a_function() -> None:
    ours, theirs = Flask("ours"), Flask("theirs")
    ours.add_url_rule("/emails", "emails", lambda: "ours")
    function = taking_over(ours, LARGEST)
    with theirs.test_request_context("/emails") as context:
        assert function(context.request).get_data() == b"ours"
