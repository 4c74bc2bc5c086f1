"""A request repeated under its key is one letter."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.api.office import Office, letter, problem


def test_a_repeat_gets_the_same_answer_and_sends_nothing(office: Office) -> None:
    first = office.post(letter(), key="order-7")
    office.now += timedelta(hours=23)
    again = office.post(letter(), key="order-7")
    assert (again.status_code, again.json) == (first.status_code, first.json) == (200, first.json)
    assert len(office.submissions.stored) == 1


def test_another_key_or_none_is_another_letter(office: Office) -> None:
    answers = [office.post(letter(), key=key).json for key in ("a", "b", None, None)]
    assert len({answered["id"] for answered in answers if answered}) == 4


def test_the_order_and_spacing_of_members_change_nothing(office: Office) -> None:
    body = letter(tags=[{"name": "a", "value": "b"}], headers={"X-A": "1", "X-B": "2"})
    backwards = letter(tags=[{"value": "b", "name": "a"}], headers={"X-B": "2", "X-A": "1"})
    spaced = json.dumps(dict(reversed(backwards.items())), indent=3).encode()
    assert office.post(body, key="k").json == office.post(spaced, key="k").json


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Other"},
        {"bcc": "x@home.example"},
        {"unknown": 1},
        {"delivery": {"tls": "require"}},
        {"html": "<p>"},
    ],
)
def test_another_request_under_the_key_is_a_conflict(office: Office, change: dict[str, Any]) -> None:
    assert office.post(letter(), key="k").status_code == 200
    assert problem(office.post(letter(**change), key="k"))[:2] == (409, "invalid_idempotent_request")
    assert len(office.submissions.stored) == 1


@pytest.mark.parametrize("change", [{"content": "QUJE"}, {"filename": "b.txt"}, {"content": ""}])
def test_another_file_under_the_key_is_a_conflict(office: Office, change: dict[str, str]) -> None:
    file = {"filename": "a.txt", "content": "QUJD"}
    assert office.post(letter(attachments=[file]), key="k").status_code == 200
    assert office.post(letter(attachments=[file]), key="k").status_code == 200
    assert office.post(letter(attachments=[file | change]), key="k").status_code == 409
    assert office.post(letter(attachments=[file, file]), key="k").status_code == 409


def test_the_encoding_of_a_file_is_no_difference(office: Office) -> None:
    bodies = [letter(attachments=[{"content": content}]) for content in ("QUJD", [65, 66, 67], "QU\nJD")]
    assert len({office.post(body, key="k").text for body in bodies}) == 1


def test_a_refusal_does_not_burn_the_key(office: Office) -> None:
    assert office.post(letter(to="nobody"), key="k").status_code == 422
    assert office.post(letter(sender="a@new.example"), key="k").status_code == 403
    assert office.post(letter(), key="k").status_code == 200


def test_after_a_day_the_key_is_new(office: Office) -> None:
    first = office.post(letter(), key="k").json
    office.now += timedelta(hours=24)
    assert office.post(letter(subject="Other"), key="k").json != first
    assert len(office.submissions.stored) == 2


def test_a_repeat_that_comes_after_the_expiry_is_answered_as_the_first(office: Office) -> None:
    body = letter(delivery={"expires_at": "2030-01-02T12:30:00Z"})
    first = office.post(body, key="k")
    office.now += timedelta(hours=1)
    assert office.post(body, key="k").json == first.json
    assert office.post(body).status_code == 422


@pytest.mark.parametrize(("key", "status"), [("", 400), ("x" * 257, 400), ("x" * 256, 200), ("x", 200), ("ü/ :", 200)])
def test_a_key_has_1_to_256_characters(office: Office, key: str, status: int) -> None:
    answered = office.post(letter(), key=key)
    assert answered.status_code == status
    if status == 400:
        assert problem(answered) == (400, "invalid_idempotency_key", "An Idempotency-Key has 1 to 256 characters.")
