"""The rate limit of a key, and the headers that tell of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from werkzeug.test import TestResponse

from postroom.rates import Rates
from tests.api.office import FULL, NOON, SENDING, Office, letter, problem

HEADERS = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "retry-after")


class Tally:
    """Counters that are gone with the test."""

    def __init__(self) -> None:
        self.counted: dict[tuple[str, int], int] = {}

    def add(self, name: str, stretch: int, number: int) -> int:
        self.counted[name, stretch] = self.counted.get((name, stretch), 0) + number
        return self.counted[name, stretch]


class Limited(Office):
    """An office where each key has two requests a second."""

    def __post_init__(self) -> None:
        self.rates = Rates(Tally(), 2, lambda: self.now)
        super().__post_init__()


@pytest.fixture
def office() -> Limited:
    return Limited()


def told(answered: TestResponse) -> tuple[str | None, ...]:
    return tuple(answered.headers.get(name) for name in HEADERS)


def test_every_answer_tells_where_the_key_stands(office: Office) -> None:
    assert told(office.get("/emails")) == ("2", "1", "1", "2;w=1", None)
    assert told(office.get("/emails")) == ("2", "0", "1", "2;w=1", None)
    refused = office.get("/emails")
    assert told(refused) == ("2", "0", "1", "2;w=1", "1")
    message = "This API key may make 2 requests a second. Wait a second and repeat the request."
    assert problem(refused) == (429, "rate_limit_exceeded", message)
    assert told(office.get("/emails", token=SENDING)) == ("2", "1", "1", "2;w=1", None)
    office.now = NOON + timedelta(seconds=1)
    assert told(office.get("/emails")) == ("2", "1", "1", "2;w=1", None)


def test_answers_that_are_no_success_tell_it_too(office: Office) -> None:
    assert told(office.post({}))[1] == "1"
    office.submissions.down = ZeroDivisionError()
    assert told(office.get("/emails"))[1] == "0"
    assert told(office.get("/emails", token=SENDING))[1] == "1"


def test_what_is_over_the_limit_is_not_looked_at(office: Office) -> None:
    for _ in range(2):
        office.get("/emails")
    assert office.post(letter()).status_code == 429
    assert office.post(b"{").status_code == 429
    assert not office.submissions.stored


def test_who_shows_no_good_key_is_told_nothing_and_counts_for_nobody(office: Office) -> None:
    for _ in range(5):
        assert told(office.client.get("/emails")) == (None,) * 5
        assert told(office.get("/emails", token="wrong")) == (None,) * 5
    assert told(office.get("/healthz")) == (None,) * 5
    assert told(office.get("/emails"))[1] == "1"


def test_without_a_limit_no_header_tells_of_one() -> None:
    answered = Office().client.post("/emails", data=json.dumps(letter()), headers={"Authorization": f"Bearer {FULL}"})
    assert answered.status_code == 200
    assert told(answered) == (None,) * 5
