"""The API under functions-framework, which serves it everywhere but on AWS: ours answers, not its own application."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from functions_framework import create_app as load
from werkzeug.test import Client

from postroom import wiring
from postroom.clouds.framework import taking_over
from postroom.settings import Settings
from tests.journeys.office import KEY, ROOT


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


def test_without_an_application_to_take_over_it_is_a_function() -> None:
    ours, theirs = Flask("ours"), Flask("theirs")
    ours.add_url_rule("/emails", "emails", lambda: "ours")
    function = taking_over(ours)
    with theirs.test_request_context("/emails") as context:
        assert function(context.request).get_data() == b"ours"
