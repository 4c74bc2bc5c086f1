"""Keys: the right ones, and every kind of wrong one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from postroom.account.key import token_hash
from postroom.api.guesses import MOST
from tests.api.office import BOOTSTRAP, FULL, SENDING, Office, letter, problem

ANY_ID = "00000000-0000-4000-8000-000000000000"
GUARDED = [("POST", "/emails"), ("GET", "/emails"), ("GET", f"/emails/{ANY_ID}"), ("GET", f"/emails/{ANY_ID}/attempts")]

MISSING = (401, "missing_api_key", "Missing API key in the authorization header.")
INVALID = (403, "invalid_api_key", "API key is invalid")


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", FULL, f"Basic {FULL}", f"Token {FULL}", "\xff"])
def test_a_request_without_a_key(office: Office, method: str, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert problem(office.client.open(path, method=method, headers=headers)) == MISSING


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("token", ["x", FULL + "x", FULL.upper(), f"{FULL} {FULL}", "é", BOOTSTRAP[:-1], "x" * 9000])
def test_a_request_with_a_wrong_key(office: Office, method: str, path: str, token: str) -> None:
    answered = office.client.open(path, method=method, headers={"Authorization": f"Bearer {token}"})
    assert problem(answered) == INVALID


@pytest.mark.parametrize("body", [b"{", b"", b"[]"])
def test_the_key_is_looked_at_before_the_body(office: Office, body: bytes) -> None:
    assert problem(office.post(body, token="wrong")) == INVALID


def test_a_revoked_key_is_a_wrong_key(office: Office) -> None:
    assert office.post(letter()).status_code == 200
    office.directory.delete("api_key", token_hash(FULL))
    assert problem(office.post(letter())) == INVALID


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_scheme_may_be_written_in_any_case(office: Office, scheme: str) -> None:
    assert office.client.get("/emails", headers={"Authorization": f"{scheme} {FULL}"}).status_code == 200


def test_a_sending_key_sends_and_does_nothing_else(office: Office) -> None:
    assert office.post(letter(), token=SENDING).status_code == 200
    for method, path in GUARDED[1:]:
        answered = office.client.open(path, method=method, headers={"Authorization": f"Bearer {SENDING}"})
        assert problem(answered)[:2] == (401, "restricted_api_key")


def test_the_bootstrap_key_has_full_access(office: Office) -> None:
    assert office.post(letter(), token=BOOTSTRAP).status_code == 200
    assert office.get("/emails", token=BOOTSTRAP).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/emails"), ("HEAD", f"/emails/{ANY_ID}")])
def test_head_wants_a_key_too(office: Office, method: str, path: str) -> None:
    assert office.client.open(path, method=method).status_code == 401


@pytest.mark.parametrize(("method", "path"), [("GET", "/healthz"), ("OPTIONS", "/emails"), ("GET", "/nothing")])
def test_what_is_no_secret_wants_no_key(office: Office, method: str, path: str) -> None:
    answered: Any = office.client.open(path, method=method)
    assert answered.status_code in (200, 404)


def guess(office: Office, number: int, address: str = "192.0.2.1", token: str | None = None) -> TestResponse:
    headers = {"Authorization": f"Bearer {token or f'pr_guess_{number}'}"}
    return office.client.get("/emails", headers=headers, environ_overrides={"REMOTE_ADDR": address})


def test_whoever_guesses_keys_is_asked_to_wait_and_keys_in_use_go_on_working(office: Office) -> None:
    assert guess(office, 0, token=FULL).status_code == 200
    assert {guess(office, number).status_code for number in range(MOST)} == {403}
    looked = office.directory.looked
    refused = guess(office, MOST)
    assert problem(refused)[:2] == (429, "rate_limit_exceeded")
    assert refused.headers["Retry-After"] == "60"
    assert office.directory.looked == looked
    assert guess(office, 0, token=FULL).status_code == 200
    assert guess(office, 0, token=BOOTSTRAP).status_code == 200
    assert guess(office, MOST, "192.0.2.2").status_code == 403
    office.now += timedelta(minutes=1)
    assert guess(office, MOST).status_code == 403


def test_all_of_an_ipv6_network_guesses_together(office: Office) -> None:
    for number in range(MOST):
        guess(office, number, f"2001:db8::{number:x}")
    assert guess(office, MOST, "2001:db8::ffff:ffff").status_code == 429
    assert guess(office, MOST, "2001:db8:0:1::1").status_code == 403


def test_the_same_wrong_key_over_and_over_is_no_guess(office: Office) -> None:
    assert {guess(office, 1).status_code for _ in range(2 * MOST)} == {403}
