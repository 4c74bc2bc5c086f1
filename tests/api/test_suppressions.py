"""The suppression list over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from postroom.account.suppression import Origin
from postroom.api.suppression_schemas import MOST
from postroom.message.address import Mailbox
from postroom.suppressions import Suppressions
from tests.api.office import FULL, SENDING, Office, problem

HEADERS = {"Authorization": f"Bearer {FULL}", "Content-Type": "application/json"}


@pytest.fixture
def suppressions(office: Office) -> Suppressions:
    return office.suppressions


def asked(office: Office, method: str, path: str, body: Any = None) -> TestResponse:
    return office.client.open(path, method=method, json=body, headers=HEADERS)


def added(office: Office, email: str) -> str:
    answered = asked(office, "POST", "/suppressions", {"email": email})
    assert answered.status_code == 201
    body: dict[str, Any] = answered.json  # type: ignore[assignment]
    assert body == {"object": "suppression", "id": body["id"]}
    office.now += timedelta(seconds=1)
    return str(UUID(body["id"]))


def emails(answered: TestResponse) -> list[str]:
    assert answered.status_code == 200, answered.text
    return [each["email"] for each in answered.json["data"]]  # type: ignore[index]


def test_an_entry_is_read_and_removed_by_its_id_or_by_its_address(office: Office) -> None:
    id_ = added(office, "Ann <Ann.Smith@Home.Example>")
    shown = {
        "object": "suppression",
        "id": id_,
        "email": "ann.smith@home.example",
        "origin": "manual",
        "source_id": None,
        "created_at": "2030-01-02T12:00:00.123Z",
    }
    for name in (id_, id_.upper(), "ann.smith%40home.example", "ANN.SMITH@home.example"):
        assert office.get(f"/suppressions/{name}").json == shown
    removed = {"object": "suppression", "id": id_, "deleted": True}
    assert asked(office, "DELETE", "/suppressions/ann.smith%40HOME.example").json == removed
    message = "There is no suppression with this id or e-mail address."
    for name in (id_, "ann.smith%40home.example", "nonsense", "batch/add"):
        assert problem(office.get(f"/suppressions/{name}")) == (404, "not_found", message)
        assert problem(asked(office, "DELETE", f"/suppressions/{name}")) == (404, "not_found", message)
    assert asked(office, "DELETE", f"/suppressions/{added(office, 'bob@home.example')}").status_code == 200


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("BOB@bücher.example", "bob@xn--bcher-kva.example"),
        ("JÜRGEN@home.example", "jÜrgen@home.example"),  # only ASCII has a case that all servers agree on
        ("jose\u0301@home.example", "jos\u00e9@home.example"),  # two ways to write one address
        ("a/b@home.example", "a/b@home.example"),
        ('"A b"@home.example', '"a b"@home.example'),
        ('"bob"@home.example', "bob@home.example"),
        ("\uff42ob@home.example", "\uff42ob@home.example"),  # a wide b is somebody else's
    ],
)
def test_an_address_is_kept_under_its_look_up_key(office: Office, written: str, key: str) -> None:
    id_ = added(office, written)
    for name in (written, key):
        found: Any = office.get(f"/suppressions/{quote(name, safe='')}").json
        assert (found["id"], found["email"]) == (id_, key)
    assert added(office, key) == id_


def test_who_is_on_the_list_already_stays_there_for_what_brought_it_there(
    office: Office, suppressions: Suppressions
) -> None:
    suppressions.add_for(Mailbox.parse("ann@home.example"), Origin.BOUNCE, "the letter", office.now)
    office.now += timedelta(seconds=1)
    id_ = added(office, "Ann@home.example")
    suppressions.add_for(Mailbox.parse("ann@home.example"), Origin.COMPLAINT, "another", office.now)
    ann: Any = office.get("/suppressions/ann%40home.example").json
    assert (ann["id"], ann["origin"], ann["source_id"]) == (id_, "bounce", "the letter")
    assert emails(office.get("/suppressions")) == ["ann@home.example"]


def test_the_list_is_read_page_by_page_newest_first_and_by_its_origin(
    office: Office, suppressions: Suppressions
) -> None:
    for number in range(5):
        added(office, f"m{number}@home.example")
        suppressions.add_for(Mailbox.parse(f"b{number}@home.example"), Origin.BOUNCE, "x", office.now)
        office.now += timedelta(seconds=1)
    everyone = [f"{kind}{number}@home.example" for number in range(4, -1, -1) for kind in "bm"]
    assert emails(office.get("/suppressions")) == everyone
    assert emails(office.get("/suppressions?origin=bounce")) == everyone[::2]
    assert emails(office.get("/suppressions?origin=complaint")) == []
    page: Any = office.get("/suppressions?origin=manual&limit=2").json
    assert (page["object"], page["has_more"]) == ("list", True)
    assert {tuple(each) for each in page["data"]} == {("object", "id", "email", "origin", "source_id", "created_at")}
    last = page["data"][-1]["id"]
    page = office.get(f"/suppressions?origin=manual&limit=3&after={last}").json
    assert [each["email"] for each in page["data"]] == everyone[5::2]
    assert page["has_more"] is False
    asked(office, "DELETE", f"/suppressions/{everyone[-1]}")
    assert emails(office.get("/suppressions?origin=manual")) == everyone[1:-1:2]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("origin=spam", "Invalid `origin` parameter: expected one of bounce, complaint, manual."),
        ("origin=", "Invalid `origin` parameter: expected one of bounce, complaint, manual."),
        ("limit=0&origin=x", "`origin`"),
        ("limit=0&origin=x", "`limit`"),
        ("after=x", "`after`"),
        ("after=5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57", "Invalid `after` parameter: the list holds no item with this"),
    ],
)
def test_a_list_that_cannot_be_told_is_refused_by_the_name_of_what_is_wrong(
    office: Office, query: str, named: str
) -> None:
    status, name, message = problem(office.get(f"/suppressions?{query}"))
    assert (status, name) == (422, "validation_error")
    assert named in message


def test_a_batch_is_put_on_the_list_and_taken_off_it(office: Office) -> None:
    bob = added(office, "bob@home.example")
    answered = asked(
        office,
        "POST",
        "/suppressions/batch/add",
        {"emails": ["Ann@home.example", "bob@home.example", "ann@home.example"]},
    )
    assert answered.status_code == 201
    ann: str = answered.json["data"][0]["id"]  # type: ignore[index]
    assert answered.json == {"data": [{"object": "suppression", "id": each} for each in (ann, bob)]}

    gone = asked(office, "POST", "/suppressions/batch/remove", {"emails": ["nobody@home.example", "ANN@home.example"]})
    assert gone.json == {"data": [{"object": "suppression", "id": ann, "deleted": True}]}
    gone = asked(office, "POST", "/suppressions/batch/remove", {"ids": [bob.upper(), ann, bob], "emails": None})
    assert gone.json == {"data": [{"object": "suppression", "id": bob, "deleted": True}]}
    assert gone.status_code == 200
    assert emails(office.get("/suppressions")) == []


MANY = [f"{number}@home.example" for number in range(MOST + 1)]


def test_a_batch_may_be_large(office: Office) -> None:
    assert len(asked(office, "POST", "/suppressions/batch/add", {"emails": MANY[:MOST]}).json["data"]) == MOST  # type: ignore[index]
    gone = asked(office, "POST", "/suppressions/batch/remove", {"emails": MANY[:MOST]})
    assert len(gone.json["data"]) == MOST  # type: ignore[index]
    assert emails(office.get("/suppressions")) == []


@pytest.mark.parametrize(
    "email", [7, "", " ", "ann", "a@b", "a@b.example\r\n", "a@b.example, c@d.example", ["a@b.example"]]
)
def test_a_bad_address_is_refused_by_its_name(office: Office, email: Any) -> None:
    status, name, message = problem(asked(office, "POST", "/suppressions", {"email": email}))
    assert (status, name) == (422, "validation_error")
    assert message.startswith("Invalid `email` field: ")


@pytest.mark.parametrize("email", ["\ud800@home.example", "a\0b@home.example", "a@home.example" * 500, {}, True])
def test_a_hostile_address_is_refused_by_its_name_and_place(office: Office, email: Any) -> None:
    for path in ("/suppressions/batch/add", "/suppressions/batch/remove"):
        status, name, message = problem(asked(office, "POST", path, {"emails": ["a@home.example", email]}))
        assert (status, name) == (422, "validation_error")
        assert message.startswith("Invalid `emails[1]` field: ")
    assert emails(office.get("/suppressions")) == []


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("", {}, "Missing `email` field."),
        ("", {"email": None}, "Missing `email` field."),
        ("/batch/add", {}, "Missing `emails` field."),
        ("/batch/add", {"emails": None}, "Missing `emails` field."),
        ("/batch/add", {"emails": []}, f"Invalid `emails` field: it holds no items, and 1 to {MOST} may be given."),
        ("/batch/add", {"emails": "ann@home.example"}, "Invalid `emails` field: expected an array, not a string."),
        ("/batch/add", {"emails": [None]}, "Invalid `emails[0]` field: expected a string, not null."),
        ("/batch/add", {"emails": MANY}, f"at most {MOST} may be given"),
        ("/batch/remove", {}, "Missing `emails` or `ids` field."),
        ("/batch/remove", {"ids": None}, "Missing `emails` or `ids` field."),
        ("/batch/remove", {"ids": []}, "Invalid `ids` field: it holds no items"),
        ("/batch/remove", {"ids": [7]}, "Invalid `ids[0]` field: expected an entry's id, which is a UUID."),
        ("/batch/remove", {"ids": [None]}, "Invalid `ids[0]` field: expected an entry's id, which is a UUID, not null"),
        ("/batch/remove", {"ids": ["x"]}, "Invalid `ids[0]` field: expected an entry's id, which is a UUID."),
        ("/batch/remove", {"emails": MANY}, f"at most {MOST} may be given"),
        ("/batch/remove", {"ids": ["x"], "emails": ["a@home.example"]}, "`emails` was given too"),
        ("/batch/remove", [], "is an array, and an object is expected"),
    ],
)
def test_a_request_that_cannot_be_done_is_refused_by_the_name_of_what_is_wrong(
    office: Office, path: str, body: Any, named: str
) -> None:
    status, _, message = problem(asked(office, "POST", f"/suppressions{path}", body))
    assert status == (400 if body == [] else 422)
    assert named in message


def test_a_key_that_may_only_send_does_not_get_to_the_list(office: Office) -> None:
    headers = {**HEADERS, "Authorization": f"Bearer {SENDING}"}
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("GET", "/a@home.example"),
        ("DELETE", "/a@home.example"),
        ("POST", "/batch/add"),
        ("POST", "/batch/remove"),
    ):
        answered = office.client.open(f"/suppressions{path}", method=method, headers=headers)
        assert problem(answered)[:2] == (401, "restricted_api_key")


def test_what_is_no_method_of_the_list_is_told(office: Office) -> None:
    assert problem(asked(office, "PUT", "/suppressions"))[0] == 405
    assert problem(asked(office, "POST", "/suppressions/a@home.example"))[0] == 405
