"""What is read back, member by member, and page by page."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from postroom.delivery.status import Status
from tests.api.attempts import attempt
from tests.api.office import NOON, Office, problem

UNKNOWN = "00000000-0000-4000-8000-00000000ffff"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_an_email_has_exactly_these_members(office: Office) -> None:
    id_ = office.send(
        cc=["Carl <carl@home.example>"],
        bcc="dora@home.example",
        html="<p>Hello",
        tags=[{"name": "kind", "value": "receipt"}],
        delivery={"expires_at": "2030-01-03T00:00:00Z"},
    )
    recipient = {
        "status": "queued",
        "attempts": 0,
        "possibly_delivered": False,
        "code": None,
        "enhanced_code": None,
        "response": None,
        "cause": None,
        "mx": None,
        "remote_id": None,
        "next_attempt_at": "2030-01-02T12:00:00.123Z",
        "updated_at": "2030-01-02T12:00:00.123Z",
    }
    assert office.get(f"/emails/{id_}").json == {
        "object": "email",
        "id": id_,
        "message_id": f"<{id_}@shop.example>",
        "from": "Shop <hello@shop.example>",
        "to": ["ann@home.example"],
        "cc": ["Carl <carl@home.example>"],
        "bcc": ["dora@home.example"],
        "reply_to": [],
        "subject": "Hello",
        "html": "<p>Hello",
        "text": "Hello, Ann.",
        "tags": [{"name": "kind", "value": "receipt"}],
        "topic_id": None,
        "created_at": "2030-01-02T12:00:00.123Z",
        "scheduled_at": None,
        "last_event": "queued",
        "expires_at": "2030-01-03T00:00:00.000Z",
        "recipients": [
            {"address": "ann@home.example", "kind": "to"} | recipient,
            {"address": "carl@home.example", "kind": "cc"} | recipient,
            {"address": "dora@home.example", "kind": "bcc"} | recipient,
        ],
    }


def test_absent_bodies_are_null_and_absent_lists_are_empty(office: Office) -> None:
    id_ = office.send(text=..., html="<p>Hello")
    email: Any = office.get(f"/emails/{id_}").json
    assert email["text"] == "Hello"
    assert [email[name] for name in ("cc", "bcc", "reply_to", "tags")] == [[], [], [], []]
    del office.submissions.letters[id_]
    erased: Any = office.get(f"/emails/{id_}").json
    assert (erased["html"], erased["text"], erased["subject"]) == (None, None, "Hello")


def test_what_became_of_each_recipient(office: Office) -> None:
    id_ = office.send(to=["ann@home.example", "bob@home.example"])
    stored = office.submissions.stored[id_]
    [parcel] = stored.parcels
    ann, bob = parcel.recipients
    done: dict[str, Any] = {
        "attempts": 1,
        "code": 250,
        "response": "250 OK",
        "mx": "mx.home.example",
        "remote_id": "4Xy",
    }
    refused: dict[str, Any] = {
        "status": Status.BOUNCED,
        "code": 550,
        "enhanced_code": "5.1.1",
        "cause": "no_such_mailbox",
    }
    recipients = (replace(ann, status=Status.DELIVERED, **done), replace(bob, possibly_delivered=True, **refused))
    office.submissions.stored[id_] = replace(stored, parcels=(replace(parcel, recipients=recipients),))
    email: Any = office.get(f"/emails/{id_}").json
    assert email["last_event"] == "bounced"
    assert [each["status"] for each in email["recipients"]] == ["delivered", "bounced"]
    assert email["recipients"][0].items() >= done.items()
    assert email["recipients"][1].items() >= {"possibly_delivered": True, **refused}.items()


def test_a_list_leaves_out_what_is_long(office: Office) -> None:
    id_ = office.send()
    assert office.get("/emails").json == {
        "object": "list",
        "has_more": False,
        "next": None,
        "data": [
            {
                "id": id_,
                "message_id": f"<{id_}@shop.example>",
                "from": "Shop <hello@shop.example>",
                "to": ["ann@home.example"],
                "cc": [],
                "bcc": [],
                "reply_to": [],
                "subject": "Hello",
                "topic_id": None,
                "created_at": "2030-01-02T12:00:00.123Z",
                "scheduled_at": None,
                "last_event": "queued",
            }
        ],
    }


def test_an_attempt_has_exactly_these_members(office: Office) -> None:
    id_ = office.send()
    made = attempt(id_, 1)
    office.submissions.made[id_] = [made, replace(made, claim=2, tls=None, note="The connection was refused.")]
    second, first = office.get(f"/emails/{id_}/attempts").json["data"]  # type: ignore[index]
    assert first == {
        "id": made.id,
        "destination": "home.example",
        "number": 1,
        "started_at": "2030-01-02T12:00:00.123Z",
        "finished_at": "2030-01-02T12:00:00.373Z",
        "route": "mx",
        "mx": "mx.home.example",
        "address": "192.0.2.7:25",
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_128_GCM_SHA256",
            "verified": True,
            "policy": "opportunistic",
        },
        "round_trips": 4,
        "outcome": "accepted",
        "note": None,
        "transcript": [
            {"at_ms": 0.5, "from": "server", "line": "220 mx.home.example"},
            {"at_ms": 1.25, "from": "client", "line": "EHLO shop.example"},
        ],
    }
    assert set(second) == set(first)
    assert (second["tls"], second["note"]) == (None, "The connection was refused.")


@pytest.mark.parametrize("id_", [UNKNOWN, "1", "x" * 300, f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), "é", "%00"])
@pytest.mark.parametrize("rest", ["", "/attempts"])
def test_an_id_that_is_unknown_or_none(office: Office, id_: str, rest: str) -> None:
    status, name, message = problem(office.get(f"/emails/{id_}{rest}"))
    assert (status, name) == (404, "not_found")
    assert message == ("There is no email with this id." if id_ == UNKNOWN else "There is nothing at this path.")


def test_an_id_may_be_written_in_upper_case(office: Office) -> None:
    for _ in range(10):
        id_ = office.send()
    assert id_ != id_.upper()
    assert office.get(f"/emails/{id_.upper()}").json == office.get(f"/emails/{id_}").json


def ids(page: Any) -> list[str]:
    return [each["id"] for each in page["data"]]


def test_pages_follow_each_other_both_ways(office: Office) -> None:
    newest_first = [office.send() for _ in range(5)][::-1]
    first: Any = office.get("/emails?limit=2").json
    second: Any = office.get(f"/emails?limit=2&after={newest_first[1].upper()}").json
    last: Any = office.get(f"/emails?limit=2&after={newest_first[3]}").json
    back: Any = office.get(f"/emails?limit=2&before={newest_first[3]}").json
    assert [ids(page) for page in (first, second, last, back)] == [
        newest_first[:2],
        newest_first[2:4],
        newest_first[4:],
        newest_first[1:3],
    ]
    assert [page["has_more"] for page in (first, second, last, back)] == [True, True, False, True]


def test_a_page_holds_twenty_unless_told_otherwise(office: Office) -> None:
    for _ in range(21):
        office.send()
    page: Any = office.get("/emails").json
    assert (len(page["data"]), page["has_more"]) == (20, True)


def test_attempts_come_in_pages_too(office: Office) -> None:
    id_ = office.send()
    made = [attempt(id_, claim) for claim in (1, 2, 3)]
    office.submissions.made[id_] = made
    page: Any = office.get(f"/emails/{id_}/attempts?limit=1&after={made[2].id}").json
    assert (ids(page), page["object"], page["has_more"]) == ([made[1].id], "list", True)


LIMIT = "Invalid `limit` parameter: expected a number from 1 to 100."
CURSOR = "expected an item's id, which is a UUID"
BOTH = "`after` was given too, and a page lies on one side of one item"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        *((f"limit={limit}", LIMIT) for limit in ("0", "101", "-1", "%2B5", "1.5", "", "ten", "%EF%BC%91", "9" * 5000)),
        ("after=1", f"Invalid `after` parameter: {CURSOR}."),
        ("before=", f"Invalid `before` parameter: {CURSOR}."),
        (f"after={UNKNOWN}&before={UNKNOWN}", f"Invalid `before` parameter: {BOTH}."),
        (
            "limit=0&after=a&before=b",
            f"{LIMIT} Invalid `after` parameter: {CURSOR}. Invalid `before` parameter: {CURSOR}. "
            f"Invalid `before` parameter: {BOTH}.",
        ),
        (f"after={UNKNOWN}", "Invalid `after` parameter: the list holds no item with this id."),
        (f"before={UNKNOWN}", "Invalid `before` parameter: the list holds no item with this id."),
    ],
)
@pytest.mark.parametrize("rest", ["", "/{id}/attempts"])
def test_a_page_that_nobody_can_give(office: Office, query: str, message: str, rest: str) -> None:
    path = "/emails" + rest.format(id=office.send())
    assert problem(office.get(f"{path}?{query}")) == (422, "validation_error", message)


def test_every_moment_is_written_alike(office: Office) -> None:
    office.now = NOON.replace(microsecond=0)
    email: Any = office.get(f"/emails/{office.send()}").json
    assert MOMENT.fullmatch(email["created_at"])
    assert email["created_at"] == "2030-01-02T12:00:00.000Z"
