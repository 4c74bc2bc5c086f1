"""`GET /emails` with filters: the right letters, in order, and a bounded way for each page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from postroom.delivery.record import SubmissionId
from postroom.delivery.status import WORDS, Status
from tests.api.office import FULL, Office, letter, problem


def ids(office: Office, query: str) -> list[str]:
    answered: Any = office.get(f"/emails?{query}").json
    assert set(answered) == {"object", "has_more", "data", "next"}
    assert (answered["has_more"], answered["next"]) == (False, None)
    return [each["id"] for each in answered["data"]]


def copies(office: Office, count: int) -> list[str]:
    """The ids of so many letters, the oldest first."""
    first = office.submissions.stored[office.send()]
    for number in range(1, count):
        id_ = SubmissionId(f"00000000-0000-4000-9000-{number:012}")
        office.submissions.stored[id_] = replace(first, id=id_)
    return list(office.submissions.stored)


def bounce(office: Office, id_: str) -> None:
    stored = office.submissions.stored[id_]
    parcels = tuple(
        replace(each, recipients=tuple(replace(one, status=Status.BOUNCED) for one in each.recipients))
        for each in stored.parcels
    )
    office.submissions.stored[id_] = replace(stored, parcels=parcels)


def test_each_filter_lets_its_own_through(office: Office) -> None:
    plain = office.send()
    bounced = office.send(to="Zoë <zoe@Home.example>")
    bounce(office, bounced)
    tagged = office.send(cc="carl@home.example", bcc="dora@home.example", tags=[{"name": "kind", "value": "receipt"}])
    assert ids(office, "status=bounced") == [bounced]
    assert ids(office, "status=queued") == [tagged, plain]
    assert [ids(office, f"status={word}") for word in WORDS if word not in ("bounced", "queued")] == [[]] * 8
    assert ids(office, "to=zoe@HOME.example") == [bounced]
    assert ids(office, "to=ZOE@home.example") == [bounced]
    assert ids(office, "to=carl@home.example") == ids(office, "to=dora@home.example") == [tagged]
    assert ids(office, "tag=kind") == ids(office, "tag=kind:receipt") == [tagged]
    assert ids(office, "tag=kind:other") == ids(office, "tag=receipt") == []
    assert ids(office, "to=ann@home.example&status=queued&tag=kind") == [tagged]


def test_since_and_until_bound_the_walk(office: Office) -> None:
    every = [office.send() for _ in range(4)]  # a second between each and the next
    first: Any = office.get(f"/emails/{every[1]}").json
    assert first["created_at"] == "2030-01-02T12:00:01.123Z"
    assert ids(office, "since=2030-01-02T12:00:01.123456Z") == every[:0:-1]
    assert ids(office, "until=2030-01-02T12:00:01.123456Z") == every[:1]
    assert ids(office, "since=2030-01-02T13:00:01%2B01:00&until=2030-01-02T12:00:03Z") == [every[2], every[1]]


def test_a_page_goes_on_where_the_last_one_stopped(office: Office) -> None:
    tagged = []
    for number in range(30):
        id_ = office.send(tags=[{"name": "third", "value": "x"}] if number % 3 == 0 else [])
        tagged += [id_] if number % 3 == 0 else []
    found: list[str] = []
    query = "tag=third&limit=4"
    while True:
        page: Any = office.get(f"/emails?{query}").json
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        query = f"tag=third&limit=4&after={page['next']}"
    assert found == tagged[::-1]
    back: Any = office.get(f"/emails?tag=third&limit=3&before={tagged[2]}").json
    assert [each["id"] for each in back["data"]] == tagged[5:2:-1]
    assert back["has_more"]
    assert back["next"] == tagged[5]


@pytest.mark.parametrize("direction", ["after", "before"])
def test_a_page_looks_at_a_thousand_letters_and_tells_where_it_stopped(office: Office, direction: str) -> None:
    every = copies(office, 1205)
    wanted = every[1] if direction == "after" else every[-2]
    bounce(office, wanted)
    start = every[-1] if direction == "after" else every[0]
    first: Any = office.get(f"/emails?status=bounced&{direction}={start}").json
    assert (first["data"], first["has_more"]) == ([], True)
    assert first["next"] == (every[-1001] if direction == "after" else every[1000])
    assert office.submissions.read == 10
    second: Any = office.get(f"/emails?status=bounced&{direction}={first['next']}").json
    assert [each["id"] for each in second["data"]] == [wanted]
    assert (second["has_more"], second["next"]) == (False, None)


def test_an_idempotency_key_leads_to_what_was_taken_under_it(office: Office) -> None:
    first: Any = office.post(letter(), key="order 7").json
    office.send()
    assert ids(office, "idempotency_key=order%207") == [first["id"]]
    assert ids(office, "idempotency_key=order%207&status=bounced") == []
    assert ids(office, "idempotency_key=another") == []


def test_an_idempotency_key_leads_to_every_letter_of_its_batch(office: Office) -> None:
    items = [letter(subject=str(number)) for number in range(6)]
    items[0]["from"] = items[3]["from"] = "nobody"
    headers = {"Authorization": f"Bearer {FULL}", "Idempotency-Key": "b", "x-batch-validation": "permissive"}
    taken: Any = office.client.post("/emails/batch", json=items, headers=headers).json
    expected = [each["id"] for each in taken["data"]]
    assert len(expected) == 4
    assert ids(office, "idempotency_key=b") == expected
    page: Any = office.get(f"/emails?idempotency_key=b&limit=2&after={expected[0]}").json
    assert [each["id"] for each in page["data"]] == expected[1:3]
    assert (page["has_more"], page["next"]) == (True, expected[2])
    office.delete(f"/emails/{expected[1]}")
    assert ids(office, "idempotency_key=b") == [expected[0], *expected[2:]]


def test_the_newest_of_what_was_taken_under_one_key_comes_first(office: Office) -> None:
    first: Any = office.post(letter(), key="k").json
    office.now += timedelta(hours=25)
    second: Any = office.post(letter(), key="k").json
    assert ids(office, "idempotency_key=k") == [second["id"], first["id"]]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("status=gone", "Invalid `status` parameter: expected one of "),
        ("to=nobody", "Invalid `to` parameter: "),
        ("tag=a:b:c", "Invalid `tag` parameter: expected a tag's name, or name:value, of ASCII letters"),
        ("tag=", "Invalid `tag` parameter: "),
        ("since=yesterday", "Invalid `since` parameter: expected a time in ISO 8601 with its offset"),
        ("until=2030-01-02", "Invalid `until` parameter: expected a time in ISO 8601 with its offset"),
        (
            "idempotency_key=",
            "Invalid `idempotency_key` parameter: expected a key of 1 to 256 printable",
        ),
        (
            "idempotency_key=" + "k" * 257,
            "Invalid `idempotency_key` parameter: expected a key of 1 to 256 printable",
        ),
        (
            "idempotency_key=k&before=00000000-0000-4000-8000-00000000ffff",
            "Invalid `before` parameter: what was taken under a key is read from its start on: use `after`.",
        ),
        ("tag=a&limit=0", "Invalid `limit` parameter: expected a number from 1 to 100."),
        ("tag=a&after=x", "Invalid `after` parameter: expected an item's id, which is a UUID."),
        ("tag=a&after=00000000-0000-4000-8000-00000000ffff", "Invalid `after` parameter: the list holds no item"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(office: Office, query: str, message: str) -> None:
    status, name, told = problem(office.get(f"/emails?{query}"))
    assert (status, name) == (422, "validation_error")
    assert told.startswith(message)
