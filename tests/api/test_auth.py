"""Keys: the right ones, and every kind of wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.account.key import token_hash
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
