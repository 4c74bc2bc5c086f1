"""A letter that is to be sent later, or not after a moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from tests.api.office import FULL, Office, letter, problem

ONE = datetime(2030, 1, 2, 13, 0, 0, 123456, tzinfo=UTC)  # an hour after noon


def stored(office: Office, id_: str) -> Submission:
    return office.submissions.stored[id_]


@pytest.mark.parametrize("text", ["in 1 hour", "2030-01-02T13:00:00.123456Z", "2030-01-02T15:00:00.123456+02:00"])
def test_a_scheduled_letter_waits_for_its_moment(office: Office, text: str) -> None:
    id_ = office.send(scheduled_at=text, to=["ann@home.example", "bob@away.example"])
    submission = stored(office, id_)
    assert [at for _, at in office.schedule.put_] == [ONE, ONE]
    assert {parcel.next_attempt_at for parcel in submission.parcels} == {ONE}
    assert {each.status for each in submission.recipients} == {Status.SCHEDULED}
    assert [submission.date_of(parcel) for parcel in submission.parcels] == [ONE, ONE], "its Date is when it is sent"
    shown: Any = office.get(f"/emails/{id_}").json
    assert (shown["scheduled_at"], shown["last_event"]) == ("2030-01-02T13:00:00.123Z", "scheduled")
    assert {each["next_attempt_at"] for each in shown["recipients"]} == {"2030-01-02T13:00:00.123Z"}


def test_a_moment_that_has_just_passed_counts_as_now(office: Office) -> None:
    id_ = office.send(scheduled_at="2030-01-02T11:56:00Z")
    ((_, at),) = office.schedule.put_
    submission = stored(office, id_)
    assert at == submission.created_at == submission.date_of(submission.parcels[0])
    assert [each.status for each in submission.recipients] == [Status.QUEUED]
    shown: Any = office.get(f"/emails/{id_}").json
    assert shown["scheduled_at"] == "2030-01-02T11:56:00.000Z", "it shows what was asked for"


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("2024-08-05T11:52:01.858Z", "2024-08-05T11:52:01.858Z has passed"),
        ("today at 9am", "2030-01-02T09:00:00.000Z has passed"),
        ("in 31 days", "2030-02-02T12:00:00.123Z lies more than 30 days ahead"),
        ("2030-02-01T12:06:00Z", "2030-02-01T12:06:00.000Z lies more than 30 days ahead"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z lies more than 30 days ahead"),
        ("soon", "it can't be read as a moment. Give one in ISO 8601, such as"),
        ("", "it can't be read as a moment"),
    ],
)
def test_a_moment_of_no_use_is_refused_and_told_as_it_was_read(office: Office, text: str, flaw: str) -> None:
    status, name, message = problem(office.post(letter(scheduled_at=text)))
    assert (status, name) == (422, "validation_error")
    assert message.startswith(f"Invalid `scheduled_at` field: {flaw}")
    assert not office.submissions.stored


def test_thirty_days_ahead_are_fine(office: Office) -> None:
    assert office.post(letter(scheduled_at="in 30 days")).status_code == 200
    assert office.post(letter(scheduled_at="2030-02-01T12:00:00Z")).status_code == 200


def test_what_is_wrong_with_its_moments_is_told_with_all_else(office: Office) -> None:
    message = problem(office.post(letter(subject=..., scheduled_at="soon", delivery={"expires_at": "2020-01-01T00Z"})))[
        2
    ]
    for flaw in ("Missing `subject` field.", "`scheduled_at` field: it can't", "`delivery.expires_at` field: it has"):
        assert flaw in message


def test_a_letter_that_expires_before_it_is_sent_is_refused(office: Office) -> None:
    for expires_at in ("2030-01-02T12:30:00Z", "2030-01-02T13:00:00.123456Z"):
        body = letter(scheduled_at="in 1 hour", delivery={"expires_at": expires_at})
        assert problem(office.post(body)) == (
            422,
            "validation_error",
            "Invalid `delivery.expires_at` field: it doesn't lie after 2030-01-02T13:00:00.123Z, "
            "when the letter is to be sent.",
        )
    assert (
        office.post(letter(scheduled_at="in 1 hour", delivery={"expires_at": "2030-01-02T13:30Z"})).status_code == 200
    )


def test_a_repeat_of_relative_words_is_the_same_request_and_the_first_reading_stands(office: Office) -> None:
    body = letter(scheduled_at="in 1 hour")
    first: Any = office.post(body, key="k").json
    office.now += timedelta(minutes=30)
    assert office.post(body, key="k").json == first
    assert stored(office, first["id"]).scheduled_at == ONE
    assert {at for _, at in office.schedule.put_} == {ONE}
    assert problem(office.post(letter(scheduled_at="in 2 hours"), key="k"))[0] == 409


@pytest.mark.parametrize(
    "body",
    [
        letter(scheduled_at="2030-01-02T12:30:00Z"),
        letter(scheduled_at="today at 12:30"),
        letter(scheduled_at="in 1 hour", delivery={"expires_at": "2030-01-02T14:00:00Z"}),
        letter(delivery={"expires_at": "2030-01-02T12:30:00Z"}),
    ],
)
def test_a_repeat_that_comes_too_late_is_answered_as_the_first(office: Office, body: dict[str, Any]) -> None:
    first = office.post(body, key="k")
    assert first.status_code == 200
    office.now += timedelta(hours=3)
    assert office.post(body, key="k").json == first.json
    assert problem(office.post(body, key="another"))[0] == 422, "under a new key it comes too late"
    assert problem(office.post(body))[0] == 422
    office.now += timedelta(hours=22)
    assert problem(office.post(body, key="k"))[0] == 422, "the key has grown old"
    assert len(office.submissions.stored) == 1


def batch(office: Office, *items: Any, key: str | None = None, mode: str = "strict") -> TestResponse:
    headers = {"Authorization": f"Bearer {FULL}", "x-batch-validation": mode}
    return office.client.post("/emails/batch", json=items, headers=headers | ({"Idempotency-Key": key} if key else {}))


def test_the_letters_of_a_batch_have_each_its_own_moment(office: Office) -> None:
    answered: Any = batch(office, letter(scheduled_at="in 1 hour"), letter(), letter(scheduled_at="in 1 hour")).json
    first, second, third = (stored(office, each["id"]) for each in answered["data"])
    assert (first.scheduled_at, second.scheduled_at, third.scheduled_at) == (ONE, None, ONE)
    # Those for one next hop and one moment share a task.
    assert [(len(task.parcels), at) for task, at in office.schedule.put_] == [(2, ONE), (1, second.created_at)]


def test_a_moment_of_no_use_is_refused_by_its_place_in_a_batch(office: Office) -> None:
    items = (letter(), letter(scheduled_at="yesterday"), letter(scheduled_at="in 31 days"))
    for key in (None, "k"):
        status, name, message = problem(batch(office, *items, key=key))
        assert (status, name) == (422, "validation_error")
        assert "Invalid `[1].scheduled_at` field: it can't be read as a moment" in message
        assert "Invalid `[2].scheduled_at` field: 2030-02-02T12:00:00.123Z lies more than 30 days ahead." in message
        assert not office.submissions.stored
    answered: Any = batch(office, *items, mode="permissive").json
    assert [len(answered["data"]), [each["index"] for each in answered["errors"]]] == [1, [1, 2]]


def test_a_batch_repeated_too_late_is_answered_as_the_first(office: Office) -> None:
    items = (letter(scheduled_at="2030-01-02T12:30:00Z"), letter(delivery={"expires_at": "2030-01-02T12:30:00Z"}))
    first = batch(office, *items, key="k")
    assert first.status_code == 200
    office.now += timedelta(hours=3)
    assert batch(office, *items, key="k").json == first.json
    assert problem(batch(office, *items, key="another"))[0] == 422
    assert len(office.submissions.stored) == 2
