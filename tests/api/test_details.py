"""Problem details (RFC 9457), for those who ask for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from postroom.api.details import wanted
from tests.api.office import FULL, Office, letter, problem

PROBLEM = "application/problem+json"


def post(office: Office, body: Any, accept: str, **headers: str) -> TestResponse:
    headers = {"Authorization": f"Bearer {FULL}", "Accept": accept, **headers}
    return office.client.post("/emails", data=json.dumps(body), headers=headers)


@pytest.mark.parametrize(
    "accept",
    [
        PROBLEM,
        "Application/Problem+JSON",
        f"{PROBLEM}, application/json",
        f"application/json, {PROBLEM}, */*;q=0.1",
        f"application/json;q=0.5, {PROBLEM};q=0.5",
        f"text/html, {PROBLEM};q=0.1",
        f"{PROBLEM};charset=utf-8",
    ],
)
def test_details_are_for_those_who_name_them(accept: str) -> None:
    assert wanted(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/json",
        f"{PROBLEM};q=0",
        f"application/json, {PROBLEM};q=0.9",
        f"{PROBLEM};q=nonsense, application/json",
        "application/problem+xml",
        ",;q=",
    ],
)
def test_all_others_get_plain_errors(office: Office, accept: str) -> None:
    assert not wanted(accept)
    assert problem(post(office, {}, accept))[0] == 422


def test_details_name_every_flaw_and_where_it_is(office: Office) -> None:
    body = letter(
        to=["ann@home.example", "bob"],
        text=...,
        subject=...,
        headers={"X/Y~Z": 1, "X~Y": 1, "From": "x"},
        attachments=[{"filename": "a.txt"}],
        delivery={"route": "pigeon", "tls": "no"},
    )
    answered = post(office, body, PROBLEM, **{"X-Request-Id": "5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57"})
    assert (answered.status_code, answered.content_type) == (422, PROBLEM)
    told: Any = json.loads(answered.data)
    message = told["message"]
    assert message.startswith("Missing `subject` field.")
    assert told == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": message,
        "instance": "urn:uuid:5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57",
        "errors": [
            {"pointer": "#/subject", "detail": "It is missing."},
            {"pointer": "#/attachments/0", "detail": "It is missing."},
            {"pointer": "#", "detail": "It is missing."},
            {"pointer": "#/to/1", "detail": "there is no '@' after its local part."},
            {"pointer": "#/headers", "detail": "expected a string, not a number."},
            {"pointer": "#/headers/X~0Y", "detail": "expected a string, not a number."},
            {"pointer": "#/headers/From", "detail": "`From` may not be set: it is written from `from`."},
            {"pointer": "#/delivery/tls", "detail": "expected one of opportunistic, require, verify."},
        ],
        "statusCode": 422,
        "name": "validation_error",
        "message": message,
    }


def test_a_route_that_is_not_there_is_pointed_at(office: Office) -> None:
    told: Any = json.loads(post(office, letter(delivery={"route": "pigeon"}), PROBLEM).data)
    assert [flaw["pointer"] for flaw in told["errors"]] == ["#/delivery/route"]


def test_parameters_are_named(office: Office) -> None:
    headers = {"Authorization": f"Bearer {FULL}", "Accept": PROBLEM}
    told: Any = json.loads(office.client.get("/emails?limit=0", headers=headers).data)
    assert told["errors"] == [{"parameter": "limit", "detail": "expected a number from 1 to 100."}]


def test_what_is_no_flaw_of_the_request_has_no_errors(office: Office) -> None:
    answered = office.client.get("/nothing", headers={"Accept": PROBLEM, "X-Request-Id": "mine"})
    told: Any = json.loads(answered.data)
    assert (answered.status_code, answered.content_type) == (404, PROBLEM)
    assert set(told) == {"type", "title", "status", "detail", "statusCode", "name", "message"}
    assert (told["title"], told["name"]) == ("Not Found", "not_found")


def test_a_success_is_plain_json_whatever_is_asked_for(office: Office) -> None:
    answered = post(office, letter(), PROBLEM)
    assert (answered.status_code, answered.content_type) == (200, "application/json")


def test_items_of_a_batch_are_pointed_at(office: Office) -> None:
    headers = {"Authorization": f"Bearer {FULL}", "Accept": PROBLEM}
    answered = office.client.post("/emails/batch", data=json.dumps([letter(), letter(to=["x"])]), headers=headers)
    told: Any = json.loads(answered.data)
    assert [flaw["pointer"] for flaw in told["errors"]] == ["#/1/to/0"]
