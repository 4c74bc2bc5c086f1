"""`GET /preflight` over HTTP."""

from __future__ import annotations

import pytest

from postroom.preflight.check import failed, passed, warned
from tests.api.office import SENDING, Office, problem


def test_the_checks_are_answered_in_their_order(office: Office) -> None:
    office.checks = (passed("port_25", "open"), warned("address", "who knows"), failed("mx", "no\nsuch domain"))
    answered = office.get("/preflight")
    assert answered.json == {
        "object": "list",
        "data": [
            {"check": "port_25", "status": "pass", "detail": "open"},
            {"check": "address", "status": "warn", "detail": "who knows"},
            {"check": "mx", "status": "fail", "detail": "no\\nsuch domain"},
        ],
    }
    assert office.looked_at == [None]


@pytest.mark.parametrize("asked", ["bücher.example", "BÜCHER.example", "ann@bücher.example", "xn--bcher-kva.example"])
def test_a_domain_is_looked_at_under_its_name_in_dns(office: Office, asked: str) -> None:
    assert office.get(f"/preflight?domain={asked}").status_code == 200
    assert office.looked_at == ["xn--bcher-kva.example"]


@pytest.mark.parametrize("asked", ["", "localhost", "127.0.0.1", "a b.example", "[192.0.2.1]", "x" * 300 + ".example"])
def test_what_is_no_domain_is_refused_before_anybody_looks(office: Office, asked: str) -> None:
    status, name, message = problem(office.get(f"/preflight?domain={asked}"))
    assert (status, name) == (422, "validation_error")
    assert message.startswith("Invalid `domain` parameter: ")
    assert office.looked_at == []


def test_it_is_for_keys_with_full_access(office: Office) -> None:
    assert problem(office.get("/preflight", token=SENDING))[:2] == (401, "restricted_api_key")
    assert problem(office.get("/preflight", token="pr_nobody"))[:2] == (403, "invalid_api_key")
    assert office.looked_at == []
