"""`DELETE /emails/{id}`: afterwards it isn't there, and no repeat of its request sends it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from postroom.delivery.parcel import Lease
from tests.api.office import NOON, Office, letter, problem

UNKNOWN = "00000000-0000-4000-8000-00000000ffff"
GONE = (404, "not_found", "There is no email with this id.")


def test_an_erased_letter_is_nowhere(office: Office) -> None:
    kept, id_ = office.send(), office.send(attachments=[{"content": "QUJD"}])
    answered = office.delete(f"/emails/{id_}")
    assert (answered.status_code, answered.json) == (200, {"object": "email", "id": id_, "deleted": True})
    for path in ("", "/raw", "/attempts", "/attachments"):
        assert problem(office.get(f"/emails/{id_}{path}")) == GONE
    page: Any = office.get("/emails").json
    assert [each["id"] for each in page["data"]] == [kept]
    assert problem(office.delete(f"/emails/{id_}")) == GONE
    assert problem(office.delete(f"/emails/{UNKNOWN}")) == GONE
    assert not office.submissions.letters.keys() & {id_}
    assert "ann@home.example" not in str(office.submissions.stored[id_])


def test_its_key_sends_nothing_again_for_a_day(office: Office) -> None:
    first: Any = office.post(letter(), key="k").json
    put = len(office.schedule.put_)
    assert office.delete(f"/emails/{first['id']}").status_code == 200
    office.now += timedelta(hours=23)
    assert office.post(letter(), key="k").json == first
    assert problem(office.post(letter(subject="Another"), key="k"))[:2] == (409, "invalid_idempotent_request")
    assert len(office.schedule.put_) == put
    assert problem(office.get(f"/emails/{first['id']}")) == GONE
    assert office.get("/emails?idempotency_key=k").json["data"] == []  # type: ignore[index]
    office.now += timedelta(hours=1)
    second: Any = office.post(letter(), key="k").json
    assert second != first
    assert [each["id"] for each in office.get("/emails?idempotency_key=k").json["data"]] == [second["id"]]  # type: ignore[index]


def test_while_somebody_sends_it_it_must_wait(office: Office) -> None:
    id_ = office.send(to=["ann@home.example", "bob@other.example"])
    stored = office.submissions.stored[id_]
    busy = replace(stored.parcels[1], lease=Lease("worker", NOON, office.now + timedelta(seconds=30.5)))
    office.submissions.stored[id_] = replace(stored, parcels=(stored.parcels[0], busy))
    message = (
        "One of its recipients is being sent to at this moment. Repeat the request once that is over, in 31 seconds "
        "at most."
    )
    assert problem(office.delete(f"/emails/{id_}")) == (422, "validation_error", message)
    assert [each.status for each in office.submissions.stored[id_].recipients] == ["queued", "sending"]
    office.now += timedelta(seconds=31)
    assert office.delete(f"/emails/{id_}").status_code == 200
