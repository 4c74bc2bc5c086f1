"""API keys: made, held to what restricts them, limited, and revoked in every process that answers."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import resend

from tests.journeys.conftest import MANY
from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office, eventually

CLIENT = {"local": "127.0.0.1", "gcp": "203.0.113.9", "aws": "192.0.2.1"}
"""The address that each home sees us at; on Google Cloud its front end would say so."""


@pytest.fixture
def client(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{office.port}")
    monkeypatch.setattr(resend, "api_key", KEY)


def make(office: Office, **members: Any) -> str:
    """The token of a new key."""
    status, answer = office.request("POST", "/api-keys", {"name": "journeys", **members})
    assert status == 201, answer
    token: str = answer["token"]
    return token


def asked(office: Office, token: str, *, forwarded: str = "") -> tuple[int, str | None]:
    """The status of a request with the key, and the name of what is wrong with it."""
    hops = ", ".join(filter(None, [forwarded, CLIENT["gcp"] if office.place.home == "gcp" else ""]))
    headers = {"X-Forwarded-For": hops} if hops else {}
    status, answer = office.request("GET", "/emails?limit=1", headers=headers, key=token)
    return status, answer.get("name")


@pytest.mark.usefixtures("client")
def test_a_key_lives_from_making_to_revoking(office: Office) -> None:
    made = resend.ApiKeys.create({"name": "shop", "permission": "full_access"})
    assert asked(office, made["token"]) == (200, None)
    renamed: Any = resend.ApiKeys.update({"id": made["id"], "name": "shop 2"})
    assert (renamed["object"], renamed["id"]) == ("api_key", made["id"])

    def shown() -> Any:
        return next(key for key in resend.ApiKeys.list({"limit": 100})["data"] if key["id"] == made["id"])

    eventually(lambda: shown()["name"] == "shop 2" and shown()["last_used_at"] is not None, what=shown)
    removed: Any = resend.ApiKeys.remove(made["id"])
    assert (removed["object"], removed["id"], removed["deleted"]) == ("api_key", made["id"], True)
    # Whichever process answers: within POSTROOM_CACHE none of them lets it in any more.
    eventually(lambda: [asked(office, made["token"]) for _ in range(20)] == [(403, "invalid_api_key")] * 20)
    assert made["id"] not in office.run("keys", "list")


@pytest.mark.usefixtures("client")
def test_a_key_made_at_the_command_line_is_revoked_over_the_api(office: Office) -> None:
    made = json.loads(office.run("keys", "create", "--json", "--name", "cli", "--expires", "90d"))
    (key,) = [key for key in resend.ApiKeys.list({"limit": 100})["data"] if key["id"] == made["id"]]
    assert key["name"] == "cli"
    resend.ApiKeys.remove(made["id"])
    eventually(lambda: asked(office, made["token"]) == (403, "invalid_api_key"))


def test_a_key_held_to_a_domain_sends_from_it_and_does_nothing_else(office: Office) -> None:
    token = json.loads(office.run("keys", "create", "--json", "--domain", "example.org"))["token"]
    letter = {"from": "alice@example.org", "to": f"{uuid4().hex}@keys.example.net", "subject": "x", "text": "x"}
    assert office.request("POST", "/emails", letter, key=token)[0] == 200
    elsewhere = letter | {"from": "alice@other.example.org"}
    status, answer = office.request("POST", "/emails", elsewhere, key=token)
    assert (status, answer["name"]) == (403, "validation_error")
    assert "other.example.org isn't that one" in answer["message"]
    assert asked(office, token) == (401, "restricted_api_key")


def test_a_key_held_to_a_network_is_refused_from_elsewhere_whatever_is_pretended(office: Office) -> None:
    seen = CLIENT[office.place.home]
    here, there = (make(office, allowed_addresses=[network]) for network in (seen, "198.51.100.0/24"))
    assert asked(office, here) == (200, None)
    assert asked(office, here, forwarded="198.51.100.1") == (200, None)
    assert asked(office, there) == (403, "invalid_access")
    assert asked(office, there, forwarded="198.51.100.1") == (403, "invalid_access")


def told(office: Office, token: str) -> tuple[int, dict[str, str]]:
    """The status of a request, and what its headers tell of the limit."""
    connection = HTTPConnection(office.host, office.port, timeout=30)
    try:
        connection.request("GET", "/emails?limit=1", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "retry-after")
        return answer.status, {name: answer.headers[name] for name in names if name in answer.headers}
    finally:
        connection.close()


def test_every_answer_tells_what_the_key_may_still_ask_for(office: Office) -> None:
    status, headers = told(office, make(office))
    assert status == 200
    remaining = int(headers.pop("ratelimit-remaining"))
    assert MANY - 5 <= remaining < MANY
    assert headers == {"ratelimit-limit": f"{MANY}", "ratelimit-reset": "1", "ratelimit-policy": f"{MANY};w=1"}


def test_the_limit_of_a_key_holds_over_all_processes(folder: Path, destination: Destination) -> None:
    office = Office(folder, destination.port, POSTROOM_RATE_LIMIT="5")
    office.start()
    try:
        begun = time.time()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: told(office, KEY), range(100)))
        seconds = int(time.time()) - int(begun) + 1
    finally:
        assert office.stop() == 0
    within = [headers for status, headers in answers if status == 200]
    assert 4 <= len(within) <= 5 * seconds
    beyond = [headers for status, headers in answers if status != 200]
    limits = {"ratelimit-limit": "5", "ratelimit-remaining": "0", "ratelimit-reset": "1", "ratelimit-policy": "5;w=1"}
    assert {status for status, _ in answers} == {200, 429}
    assert all(headers == {**limits, "retry-after": "1"} for headers in beyond)
