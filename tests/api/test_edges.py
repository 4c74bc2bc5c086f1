"""Paths, methods, request ids, and the days on which things break."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from postroom.api.problems import STATUSES, Problem
from postroom.ports import Unavailable
from tests.api.office import FULL, Office, letter, problem

KNOWN_TO_EVERY_CLIENT = {
    "invalid_idempotency_key",
    "validation_error",
    "missing_api_key",
    "restricted_api_key",
    "invalid_api_key",
    "invalid_access",
    "not_found",
    "method_not_allowed",
    "invalid_idempotent_request",
    "concurrent_idempotent_requests",
    "missing_required_field",
    "invalid_attachment",
    "invalid_from_address",
    "invalid_parameter",
    "invalid_region",
    "rate_limit_exceeded",
    "daily_quota_exceeded",
    "monthly_quota_exceeded",
    "security_error",
    "application_error",
    "internal_server_error",
}


def test_every_name_is_known_to_every_client() -> None:
    assert set(STATUSES) <= KNOWN_TO_EVERY_CLIENT


def test_a_name_has_no_status_but_its_own() -> None:
    with pytest.raises(ValueError, match="never answered with 500"):
        Problem("not_found", "", 500)


def at(office: Office, path: str, method: str = "GET", **kwargs: Any) -> TestResponse:
    """The answer at exactly this path; a client would tidy it."""
    overrides = {"PATH_INFO": path}
    headers = {"Authorization": f"Bearer {FULL}"}
    return office.client.open("/", method=method, environ_overrides=overrides, headers=headers, **kwargs)


@pytest.mark.parametrize("path", ["/emails", "//emails", "/emails/", "//emails//", "emails"])
def test_slashes_too_many_or_too_few(office: Office, path: str) -> None:
    assert at(office, path, "POST", data=json.dumps(letter())).status_code == 200
    assert at(office, path).status_code == 200


@pytest.mark.parametrize("path", ["//emails///{}/", "/emails/{}//attempts//"])
def test_slashes_too_many_further_down(office: Office, path: str) -> None:
    assert at(office, path.format(office.send())).status_code == 200


@pytest.mark.parametrize("path", ["/", "", "//", "/nothing", "/emails/x/y", "/Emails", "/emails/batch/x", "/\xff"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_is_not_served(office: Office, path: str, method: str) -> None:
    assert problem(at(office, path, method)) == (404, "not_found", "There is nothing at this path.")


ID = "5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57"

NOT_OURS = [
    ("GET", "/emails/metrics"),
    ("POST", f"/emails/{ID}/share"),
    ("GET", "/emails/receiving"),
    ("GET", f"/emails/receiving/{ID}"),
    ("GET", f"/emails/receiving/{ID}/attachments"),
    ("GET", f"/emails/receiving/{ID}/attachments/{ID}"),
    ("POST", f"/contacts/{ID}/segments/{ID}"),
    ("PATCH", f"/contacts/{ID}/topics"),
    ("POST", f"/broadcasts/{ID}/send"),
    ("DELETE", "/oauth/grants/x"),
    *(
        (method, path)
        for path in (
            "/audiences",
            "/automations",
            "/broadcasts",
            "/contact-properties",
            "/contacts",
            "/events",
            "/inboxes",
            "/logs",
            "/oauth/grants",
            "/segments",
            "/topics",
        )
        for method in ("GET", "POST")
    ),
]


@pytest.mark.parametrize(("method", "path"), NOT_OURS)
def test_what_resends_api_has_and_this_one_has_not_is_not_found(office: Office, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {FULL}", "Content-Type": "application/json"}
    for body in (b"", b"{}"):
        answered = office.client.open(path, method=method, data=body, headers=headers)
        assert problem(answered) == (404, "not_found", "There is nothing at this path.")


@pytest.mark.parametrize("path", ["/%65mails", "/emails%2F{}", "/%2femails/", "/emails/{}%2Fattempts", "/e%6Dails/{}/"])
def test_a_path_may_be_percent_encoded(office: Office, path: str) -> None:
    answered = office.get(path.format(office.send()))
    assert answered.status_code == 200


@pytest.mark.parametrize(
    "path", ["/emails/{}%00", "/emails/%20{}", "/emails/{}%0A", "/emails/%ff", "/emails%3F", "/..%2femails"]
)
def test_a_path_that_is_almost_right_is_not_found(office: Office, path: str) -> None:
    assert problem(office.get(path.format(office.send())))[:2] == (404, "not_found")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/nothing", "/emails/x", "/contacts"])
def test_head_and_options_know_no_more_paths_than_the_others(office: Office, method: str, path: str) -> None:
    answered = at(office, path, method)
    assert (answered.status_code, answered.content_type) == (404, "application/json")


def test_options_is_answered_without_a_key_and_head_is_not(office: Office) -> None:
    assert office.client.options("/emails").status_code == 200
    assert office.client.head("/emails").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/emails", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/emails", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("BREW", "/emails", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_a_method_that_the_path_does_not_take(office: Office, method: str, path: str, allowed: str) -> None:
    answered = at(office, path, method)
    message = f"{method} is not a method of this path, which takes {allowed}."
    assert problem(answered) == (405, "method_not_allowed", message)
    assert answered.headers["Allow"] == allowed


def test_options_names_the_methods(office: Office) -> None:
    answered = office.client.options("/emails")
    assert (answered.status_code, answered.json) == (200, {})
    assert set(answered.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_head_is_get_without_its_body(office: Office) -> None:
    path = f"/emails/{office.send()}"
    get, head = at(office, path), at(office, path, "HEAD")
    assert (head.status_code, head.content_type, head.data) == (200, get.content_type, b"")
    assert head.content_length == get.content_length


@pytest.mark.parametrize("token", [FULL, "wrong"])
@pytest.mark.parametrize(("path", "query"), [("/a" * 4097, ""), ("/emails", "a=1&" * 2100), ("/emails/x", "é" * 8192)])
def test_a_path_and_a_query_have_their_limit(office: Office, path: str, query: str, token: str) -> None:
    overrides = {"PATH_INFO": path, "QUERY_STRING": query}
    looked = office.directory.looked
    answered = office.client.get("/", environ_overrides=overrides, headers={"Authorization": f"Bearer {token}"})
    message = "The path and the query of a request may hold at most 8192 octets together."
    assert problem(answered) == (414, "validation_error", message)
    assert answered.headers["X-Request-Id"]
    assert office.directory.looked == looked


@pytest.mark.parametrize("host", ["a b", "", "[::1", "x" * 500])
def test_a_strange_host_is_nothing_to_break_over(office: Office, host: str) -> None:
    answered = office.client.get("/healthz", headers={"Host": host})
    assert answered.status_code in (200, 400)
    assert answered.is_json


def test_health(office: Office) -> None:
    assert office.client.get("/healthz").json == {"status": "ok"}
    office.sick = Unavailable("the disk is full")
    answered = office.client.get("/healthz")
    assert problem(answered)[:2] == (503, "application_error")
    assert "disk" not in answered.text


@pytest.mark.parametrize("path", ["/healthz", "/emails", "/nothing"])
def test_every_answer_has_a_request_id(office: Office, path: str) -> None:
    one, other = (office.client.get(path).headers["X-Request-Id"] for _ in range(2))
    assert UUID(one) != UUID(other)


@pytest.mark.parametrize("asked", ["abc-1", "00-4bf92f-01", "a:b/c+d=e_f.g"])
def test_the_callers_request_id_is_taken(office: Office, asked: str) -> None:
    assert office.client.get("/nothing", headers={"X-Request-Id": asked}).headers["X-Request-Id"] == asked


@pytest.mark.parametrize("asked", ["", "a b", "x" * 129, "<script>", "é", '"'])
def test_a_strange_request_id_is_replaced(office: Office, asked: str) -> None:
    assert UUID(office.client.get("/healthz", headers={"X-Request-Id": asked}).headers["X-Request-Id"])


@pytest.mark.parametrize(
    "crash", [ZeroDivisionError("the secret is 42"), KeyError("x"), RecursionError(), MemoryError()]
)
def test_a_crash_shows_nothing_of_the_inside(
    office: Office, crash: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    office.submissions.down = crash
    answered = office.client.post(
        "/emails",
        data=json.dumps(letter()),
        headers={"Authorization": f"Bearer {FULL}", "X-Request-Id": "request-1"},
    )
    assert problem(answered) == (
        500,
        "application_error",
        "Something went wrong on our side. It is logged under request request-1.",
    )
    [line] = capsys.readouterr().err.splitlines()
    logged = json.loads(line)
    assert set(logged) == {"severity", "message", "request_id", "method", "path", "stack_trace"}
    assert (logged["severity"], logged["request_id"]) == ("ERROR", "request-1")
    assert logged["message"] == f"{type(crash).__name__}: {crash}"
    assert "fakes.py" in logged["stack_trace"]
    assert FULL not in line


@pytest.mark.parametrize("home", ["submissions", "directory"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_home_out_of_reach_is_told_as_such(
    office: Office, home: str, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    getattr(office, home).down = Unavailable("Firestore at 10.0.0.7 didn't answer")
    answered = at(office, "/emails", method, data=json.dumps(letter()))
    assert problem(answered)[:2] == (503, "application_error")
    assert int(answered.headers["Retry-After"]) > 0
    assert "10.0.0.7" not in answered.text
    logged = json.loads(capsys.readouterr().err)
    assert logged["severity"] == "WARNING"
    assert "10.0.0.7" in logged["message"]
