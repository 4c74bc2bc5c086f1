"""Changing what was taken: another time, taking it back, sending once more what didn't get through."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from postroom.delivery.parcel import Lease, Parcel
from postroom.delivery.status import Status
from postroom.ports import Unavailable
from tests.api.office import FULL, NOON, SENDING, Office, problem

HOUR = timedelta(hours=1)
NOBODY = "/emails/5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57"


def change(office: Office, method: str, path: str, body: Any = None, token: str = FULL) -> TestResponse:
    """As the clients do: always with a Content-Type, whether there is a body or not."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return office.client.open(path, method=method, data=data, headers=headers)


def reschedule(office: Office, id_: str, scheduled_at: Any) -> TestResponse:
    return change(office, "PATCH", f"/emails/{id_}", {"id": id_, "scheduled_at": scheduled_at})


def ended(office: Office, id_: str, *statuses: Status, number: int = 0) -> None:
    """What a worker would have left of a parcel."""
    found = office.submissions.find(id_, number)  # type: ignore[arg-type]  # an id is text
    assert found is not None
    recipients = tuple(
        replace(each, status=status, next_attempt_at=None, attempts=1, cause="reply_lost", code=451)
        for each, status in zip(found.parcel.recipients, statuses, strict=True)
    )
    done = replace(found.parcel, claim=1, attempts=1, recipients=recipients, next_attempt_at=None)
    assert office.submissions.change(done) is not None
    office.schedule.put_.clear()


def claimed(office: Office, id_: str, number: int = 0) -> Parcel:
    """The parcel in a worker's hands."""
    found = office.submissions.find(id_, number)  # type: ignore[arg-type]  # an id is text
    assert found is not None
    mine = office.submissions.change(found.parcel.claimed(Lease("worker", office.now, office.now + HOUR), None))
    assert mine is not None
    return mine


def email(office: Office, id_: str) -> Any:
    return office.get(f"/emails/{id_}").json


def statuses(office: Office, id_: str) -> list[str]:
    return [each["status"] for each in email(office, id_)["recipients"]]


# PATCH /emails/{id}


@pytest.mark.parametrize(
    ("text", "ahead"),
    [
        ("in 3 hours", 3 * HOUR),
        ("2030-01-02T15:00:01.123456Z", 3 * HOUR),
        ("in 1 min", HOUR / 60),
        ("2030-01-02T12:01:01.123456Z", HOUR / 60),
    ],
)
def test_a_scheduled_letter_gets_another_time(office: Office, text: str, ahead: timedelta) -> None:
    id_ = office.send(scheduled_at="in 2 hours", to=["ann@home.example", "bob@away.example"])
    old = {task.name for task, _ in office.schedule.put_}
    office.schedule.put_.clear()
    answered = reschedule(office, id_, text)
    assert (answered.status_code, answered.json) == (200, {"object": "email", "id": id_})
    wanted = office.now + ahead
    assert [at for _, at in office.schedule.put_] == [wanted, wanted]
    assert not old & {task.name for task, _ in office.schedule.put_}
    submission = office.submissions.stored[id_]
    assert submission.scheduled_at == wanted
    assert [submission.date_of(parcel) for parcel in submission.parcels] == [wanted, wanted]
    assert email(office, id_)["last_event"] == "scheduled"


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.BOUNCED, Status.DEFERRED, Status.FAILED])
def test_what_is_not_scheduled_any_more_gets_no_other_time(office: Office, status: Status) -> None:
    id_ = office.send(scheduled_at="in 1 hour")
    ended(office, id_, status)
    assert problem(reschedule(office, id_, "in 2 hours")) == (
        422,
        "validation_error",
        f"Only a scheduled email can be given another time, and this one is {status}.",
    )
    assert not office.schedule.put_


def test_what_was_never_scheduled_or_is_on_its_way_or_canceled_gets_no_other_time(office: Office) -> None:
    for scheduled_at, step, state in (
        (None, lambda _: None, "queued"),
        ("in 1 hour", lambda id_: claimed(office, id_), "sending"),
        ("in 1 hour", lambda id_: change(office, "POST", f"/emails/{id_}/cancel"), "canceled"),
    ):
        id_ = office.send(scheduled_at=scheduled_at)
        step(id_)
        assert problem(reschedule(office, id_, "in 2 hours"))[::2] == (
            422,
            f"Only a scheduled email can be given another time, and this one is {state}.",
        )


def test_of_several_parcels_those_that_wait_get_another_time(office: Office) -> None:
    id_ = office.send(scheduled_at="in 1 hour", to=["ann@home.example", "bob@away.example"])
    claimed(office, id_, 0)
    office.schedule.put_.clear()
    assert reschedule(office, id_, "in 2 hours").status_code == 200
    assert [task.parcels[0].number for task, _ in office.schedule.put_] == [1]
    first, second = office.submissions.stored[id_].parcels
    assert first.scheduled_at != second.scheduled_at, "each letter's Date is when it is sent"


def test_its_new_time_must_be_of_use_and_before_it_expires(office: Office) -> None:
    id_ = office.send(scheduled_at="in 1 hour", delivery={"expires_at": "2030-01-02T14:00:00Z"})
    for text, flaw in (
        ("soon", "Invalid `scheduled_at` field: it can't be read as a moment"),
        ("in 31 days", "Invalid `scheduled_at` field: 2030-02-02T12:00:01.123Z lies more than 30 days ahead"),
        ("2030-01-01T00:00:00Z", "Invalid `scheduled_at` field: 2030-01-01T00:00:00.000Z has passed"),
        (5, "Invalid `scheduled_at` field: expected a string, not a number"),
        ("in 3 hours", "This email's expires_at comes before that, so it could never be sent."),
    ):
        status, name, message = problem(reschedule(office, id_, text))
        assert (status, name, message[: len(flaw)]) == (422, "validation_error", flaw)
    assert problem(reschedule(office, id_, None))[1:] == ("missing_required_field", "Missing `scheduled_at` field.")
    assert problem(change(office, "PATCH", f"/emails/{id_}", b""))[0] == 400
    assert problem(change(office, "PATCH", f"/emails/{id_}", b"[]"))[0] == 400
    assert office.submissions.stored[id_].scheduled_at == NOON + HOUR


def test_a_queue_that_is_away_loses_no_new_time(office: Office) -> None:
    id_ = office.send(scheduled_at="in 2 hours")
    office.schedule.down = Unavailable("the queue is away")
    assert reschedule(office, id_, "in 1 hour").status_code == 200
    # The sweep, which would have looked after it in two hours, looks after it then.
    notes = [(key, note) for (kind, key), note in office.directory.documents.items() if kind == "sweep_note"]
    assert notes == [(f"2030-01-02T13:01:01.123456/{id_}", {"submissions": [id_]})]


# POST /emails/{id}/cancel


@pytest.mark.parametrize("body", [None, b"", {}, b"not JSON"])
@pytest.mark.parametrize("scheduled_at", ["in 1 hour", None])
def test_what_waits_is_taken_back(office: Office, body: Any, scheduled_at: str | None) -> None:
    id_ = office.send(scheduled_at=scheduled_at, to=["ann@home.example", "bob@away.example"])
    for _ in range(2):  # a repeat changes nothing
        answered = change(office, "POST", f"/emails/{id_}/cancel", body)
        assert (answered.status_code, answered.json) == (200, {"object": "email", "id": id_})
        assert statuses(office, id_) == ["canceled", "canceled"]
    assert email(office, id_)["last_event"] == "canceled"
    assert office.schedule.canceled == [task for task, _ in office.schedule.put_]


def test_what_is_deferred_is_taken_back(office: Office) -> None:
    id_ = office.send()
    ended(office, id_, Status.DEFERRED)
    assert change(office, "POST", f"/emails/{id_}/cancel").status_code == 200
    assert statuses(office, id_) == ["canceled"]


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.BOUNCED, Status.UNKNOWN, Status.EXPIRED, Status.FAILED])
def test_what_is_over_can_not_be_taken_back(office: Office, status: Status) -> None:
    id_ = office.send()
    ended(office, id_, status)
    assert problem(change(office, "POST", f"/emails/{id_}/cancel")) == (
        422,
        "validation_error",
        f"Only an email that still waits can be canceled, and this one is {status}.",
    )


def test_what_is_on_its_way_can_not_be_taken_back_but_the_rest_of_it_can(office: Office) -> None:
    id_ = office.send(to=["ann@home.example", "bob@away.example"])
    claimed(office, id_, 0)
    assert change(office, "POST", f"/emails/{id_}/cancel").status_code == 200
    assert statuses(office, id_) == ["sending", "canceled"]
    alone = office.send()
    claimed(office, alone)
    assert problem(change(office, "POST", f"/emails/{alone}/cancel"))[2].endswith("this one is sending.")


def test_a_queue_that_is_away_keeps_nobody_from_taking_back(office: Office) -> None:
    id_ = office.send()
    office.schedule.down = Unavailable("the queue is away")
    assert change(office, "POST", f"/emails/{id_}/cancel").status_code == 200
    assert statuses(office, id_) == ["canceled"]


# POST /emails/{id}/retry


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.FAILED, Status.EXPIRED])
def test_what_did_not_get_through_is_put_back(office: Office, status: Status) -> None:
    id_ = office.send(to=["ann@home.example", "bob@home.example"])
    ended(office, id_, status, Status.DELIVERED)
    answered = change(office, "POST", f"/emails/{id_}/retry")
    assert answered.status_code == 200
    assert answered.json == {"object": "email", "id": id_, "recipients": ["ann@home.example"]}
    ((task, at),) = office.schedule.put_
    assert (at, task.parcels[0].claim) == (office.now, 1)
    ann, bob = email(office, id_)["recipients"]
    assert (ann["status"], ann["cause"], ann["code"], ann["attempts"]) == ("queued", None, None, 1)
    assert (bob["status"], bob["code"]) == ("delivered", 451)


def test_what_is_deferred_is_sent_now(office: Office) -> None:
    id_ = office.send()
    ended(office, id_, Status.DEFERRED)
    answered: Any = change(office, "POST", f"/emails/{id_}/retry").json
    assert answered["recipients"] == ["ann@home.example"]
    (ann,) = email(office, id_)["recipients"]
    assert (ann["status"], ann["code"]) == ("deferred", 451), "what the server said still stands"
    assert [at for _, at in office.schedule.put_] == [office.now]


@pytest.mark.parametrize("status", [Status.DELIVERED, Status.BOUNCED, Status.SUPPRESSED, Status.CANCELED])
def test_what_is_over_is_not_sent_once_more(office: Office, status: Status) -> None:
    id_ = office.send()
    ended(office, id_, status)
    assert problem(change(office, "POST", f"/emails/{id_}/retry")) == (
        422,
        "validation_error",
        f"Only an email that is unknown, deferred, expired or failed can be sent once more, and this one is {status}.",
    )
    assert not office.schedule.put_


def test_what_waits_or_is_on_its_way_is_not_sent_once_more(office: Office) -> None:
    for scheduled_at in ("in 1 hour", None):
        id_ = office.send(scheduled_at=scheduled_at)
        assert problem(change(office, "POST", f"/emails/{id_}/retry"))[0] == 422
        claimed(office, id_)
        assert problem(change(office, "POST", f"/emails/{id_}/retry"))[2].endswith("this one is sending.")


def test_what_has_expired_by_its_own_wish_is_not_sent_once_more(office: Office) -> None:
    id_ = office.send(delivery={"expires_at": "2030-01-02T12:30:00Z"})
    ended(office, id_, Status.EXPIRED)
    office.now += HOUR
    status, name, message = problem(change(office, "POST", f"/emails/{id_}/retry"))
    assert (status, name) == (422, "validation_error")
    assert message == "This email's expires_at has passed, so no attempt at it may start. Send it anew."


def test_a_queue_that_is_away_loses_no_retry(office: Office) -> None:
    id_ = office.send()
    ended(office, id_, Status.FAILED)
    office.schedule.down = Unavailable("the queue is away")
    assert change(office, "POST", f"/emails/{id_}/retry").status_code == 200
    # The sweep has done with it, and is told to look again.
    notes = [(key, note) for (kind, key), note in office.directory.documents.items() if kind == "sweep_note"]
    assert notes == [(f"2030-01-02T12:01:01.123456/{id_}", {"submissions": [id_]})]


# All of them


@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("POST", "/cancel"), ("POST", "/retry")])
def test_they_want_full_access_and_a_letter_that_is_there(office: Office, method: str, path: str) -> None:
    body = {"scheduled_at": "in 1 hour"}
    assert problem(change(office, method, NOBODY + path, body)) == (404, "not_found", "There is no email with this id.")
    assert problem(change(office, method, "/emails/x" + path, body))[0] == 404
    id_ = office.send(scheduled_at="in 1 hour")
    assert problem(change(office, method, f"/emails/{id_}{path}", body, SENDING))[:2] == (401, "restricted_api_key")
    office.submissions.down = Unavailable("the store is away")
    assert problem(change(office, method, f"/emails/{id_}{path}", body))[:2] == (503, "application_error")
