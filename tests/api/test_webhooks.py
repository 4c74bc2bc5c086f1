"""`/webhooks`: who is told, of what, and what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from werkzeug.test import TestResponse

from postroom.account.event import Event, Post, Told
from postroom.account.sample import NOBODY
from postroom.account.webhook import MOST, NEVER, OURS, TYPES
from postroom.catalog import newest_first
from tests.api.office import FULL, NOON, SENDING, Office, problem

HOOK = "https://shop.example/hook"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def ask(office: Office, method: str, path: str, body: Any = None, *, token: str = FULL) -> TestResponse:
    return office.client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {token}"})


def good(office: Office, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answered = ask(office, method, path, body)
    assert answered.status_code == (201 if method == "POST" and path.endswith(("/webhooks", "/test")) else 200)
    found: dict[str, Any] = answered.json  # type: ignore[assignment]
    return found


def create(office: Office, *events: str, endpoint: str = HOOK) -> str:
    made = good(office, "POST", "/webhooks", {"endpoint": endpoint, "events": events or ["email.bounced"]})
    return str(made["id"])


def told(office: Office, webhook: str, minutes: int = 0, *posts: Post, status: Told = Told.DELIVERED) -> Event:
    """An event in the webhook's log."""
    at = NOON + timedelta(minutes=minutes)
    event = Event(id=newest_first(at, bytes), type="domain.created", created_at=at, data={"name": "shop.example"})
    for each in posts:
        event = event.after(each, status)
    return office.trying.log.begin(webhook, event)


def refused(office: Office, method: str, path: str, body: Any = None) -> str:
    status, name, text = problem(ask(office, method, path, body))
    assert (status, name) == (422, "validation_error")
    return text


def test_a_webhook_lives_from_making_to_deleting(office: Office) -> None:
    made = good(office, "POST", "/webhooks", {"endpoint": HOOK, "events": ["email.sent", "email.bounced"]})
    assert set(made) == {"object", "id", "signing_secret"}
    assert UUID(made["id"])
    assert made["signing_secret"].startswith("whsec_")
    summary = {
        "object": "webhook",
        "id": made["id"],
        "created_at": "2030-01-02T12:00:00.123Z",
        "status": "enabled",
        "endpoint": HOOK,
        "events": ["email.sent", "email.bounced"],
        "disabled_reason": None,
    }
    path = f"/webhooks/{made['id']}"
    assert good(office, "GET", path) == {**summary, "signing_secret": made["signing_secret"]}
    assert good(office, "GET", "/webhooks") == {"object": "list", "has_more": False, "data": [summary]}
    changes = {"webhook_id": made["id"], "endpoint": f"{HOOK}/2", "events": ["email.failed"], "status": "disabled"}
    assert good(office, "PATCH", path, changes) == {"object": "webhook", "id": made["id"]}
    changed = good(office, "GET", path)
    assert {name: changed[name] for name in changes if name != "webhook_id"} == {
        "endpoint": f"{HOOK}/2",
        "events": ["email.failed"],
        "status": "disabled",
    }
    assert good(office, "DELETE", path) == {"object": "webhook", "id": made["id"], "deleted": True}
    assert good(office, "GET", "/webhooks")["data"] == []
    for method, place in (
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/signing-secret/rotate"),
        ("POST", f"{path}/test"),
        ("GET", f"{path}/events"),
        ("GET", f"{path}/events/{UNKNOWN}"),
        ("GET", f"{path}/events/{UNKNOWN}/attempts"),
        ("POST", f"{path}/events/{UNKNOWN}/replay"),
    ):
        body: Any = {} if method == "PATCH" else None
        assert problem(ask(office, method, place, body))[2] == "There is no webhook with this id."


def test_only_keys_with_full_access_see_webhooks(office: Office) -> None:
    id_ = create(office)
    for method, path in (("GET", "/webhooks"), ("GET", f"/webhooks/{id_}"), ("POST", f"/webhooks/{id_}/test")):
        assert problem(ask(office, method, path, token=SENDING))[:2] == (401, "restricted_api_key")


def test_the_secret_is_kept_where_only_the_master_keys_open_it(office: Office) -> None:
    made = good(office, "POST", "/webhooks", {"endpoint": HOOK, "events": ["email.sent"]})
    assert made["signing_secret"].removeprefix("whsec_") not in repr(office.directory.documents)


def test_webhooks_are_listed_in_pages_where_a_page_is_asked_for(office: Office) -> None:
    ids = [create(office) for _ in range(25)]
    assert len(good(office, "GET", "/webhooks")["data"]) == 25
    page = good(office, "GET", "/webhooks?limit=10")
    assert (len(page["data"]), page["has_more"]) == (10, True)
    rest = good(office, "GET", f"/webhooks?limit=100&after={page['data'][-1]['id']}")
    assert {each["id"] for each in page["data"] + rest["data"]} == set(ids)
    assert "no item with this id" in refused(office, "GET", f"/webhooks?after={UNKNOWN}")


def test_a_type_that_nobody_knows_is_refused_with_those_that_there_are(office: Office) -> None:
    text = refused(office, "POST", "/webhooks", {"endpoint": HOOK, "events": ["email.sent", "email.lost"]})
    assert "`events[1]`" in text
    assert all(each in text for each in TYPES)
    assert "at least one" in refused(office, "POST", "/webhooks", {"endpoint": HOOK, "events": []})
    assert create(office, *TYPES)
    missing = problem(ask(office, "POST", "/webhooks", {}))
    assert missing[:2] == (422, "missing_required_field")
    assert "`endpoint`" in missing[2]
    assert "`events`" in missing[2]


@pytest.mark.parametrize(
    "endpoint", ["shop.example", "ftp://shop.example/", "https://shop@shop.example/", "https://shop.example/a b"]
)
def test_what_is_no_endpoint_is_refused(office: Office, endpoint: str) -> None:
    assert "`endpoint`" in refused(office, "POST", "/webhooks", {"endpoint": endpoint, "events": ["email.sent"]})
    assert "`endpoint`" in refused(office, "PATCH", f"/webhooks/{create(office)}", {"endpoint": endpoint})


def test_clear_text_is_for_deployments_that_allow_networks_of_their_own() -> None:
    body = {"endpoint": "http://127.0.0.1:8000/hook", "events": ["email.sent"]}
    assert "POSTROOM_DIAL_ALLOW" in refused(Office(), "POST", "/webhooks", body)
    assert good(Office(clear_text=True), "POST", "/webhooks", body)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "10.0.0.1", "2130706433", "0x7f000001", "127.1", "[::1]", "[::ffff:10.0.0.1]"]
)
def test_an_address_that_no_post_would_go_to_is_refused(office: Office, host: str) -> None:
    for endpoint in (f"https://{host}/hook", f"https://shop:secret@{host}:8443/"):
        text = refused(office, "POST", "/webhooks", {"endpoint": endpoint, "events": ["email.sent"]})
        assert "`endpoint`" in text
        assert "POSTROOM_DIAL_ALLOW" in text or "not an IP address" in text
        assert "`endpoint`" in refused(office, "PATCH", f"/webhooks/{create(office)}", {"endpoint": endpoint})
    assert create(office, endpoint="https://8.8.8.8/hook")
    assert create(office, endpoint="https://[2606:4700::1111]/hook")


def test_without_tls_no_public_address_is_posted_to() -> None:
    body = {"endpoint": "http://8.8.8.8/hook", "events": ["email.sent"]}
    assert "without TLS" in refused(Office(clear_text=True), "POST", "/webhooks", body)


def test_there_may_be_so_many_webhooks_and_no_more(office: Office) -> None:
    for _ in range(MOST):
        create(office)
    assert f"There are {MOST} webhooks" in refused(
        office, "POST", "/webhooks", {"endpoint": HOOK, "events": ["email.sent"]}
    )


def test_enabling_a_webhook_clears_what_counted_against_it(office: Office) -> None:
    id_ = create(office)
    office.webhooks.failing(id_, NOON)
    office.webhooks.disable(id_, "its endpoint answered 410")
    assert good(office, "GET", f"/webhooks/{id_}")["disabled_reason"] == "its endpoint answered 410"
    good(office, "PATCH", f"/webhooks/{id_}", {"status": "enabled"})
    assert good(office, "GET", f"/webhooks/{id_}")["disabled_reason"] is None
    later = NOON + timedelta(hours=1)
    assert office.webhooks.failing(id_, later) == later


def test_a_new_secret_is_answered_and_the_old_one_signs_along(office: Office) -> None:
    made = good(office, "POST", "/webhooks", {"endpoint": HOOK, "events": ["email.sent"]})
    rotated = good(office, "POST", f"/webhooks/{made['id']}/signing-secret/rotate")
    assert set(rotated) == set(made)
    assert rotated["signing_secret"] != made["signing_secret"]
    assert good(office, "GET", f"/webhooks/{made['id']}")["signing_secret"] == rotated["signing_secret"]
    webhook = office.webhooks.read(made["id"])
    assert webhook is not None
    assert len(office.webhooks.signing_secrets(webhook)) == 2


def test_a_secret_that_no_master_key_opens_is_not_shown(office: Office) -> None:
    id_ = create(office)
    office.directory.documents["deployment", "webhooks"]["webhooks"][0]["secrets"] = ["AAAA"]
    assert good(office, "GET", f"/webhooks/{id_}")["signing_secret"] is None


# The log.


def test_events_are_listed_with_how_far_they_have_come(office: Office) -> None:
    id_, post = create(office), Post(sent_at=NOON, milliseconds=1, status=500)
    events = [
        told(office, id_, 0),
        told(office, id_, 1, post, status=Told.PENDING),
        told(office, id_, 2, post),
        told(office, id_, 3, post, status=Told.FAILED),
    ]
    page = good(office, "GET", f"/webhooks/{id_}/events?limit=3")
    assert page["has_more"]
    assert page["data"][0] == {
        "id": events[3].id,
        "type": "domain.created",
        "created_at": "2030-01-02T12:03:00.123Z",
        "status": "failed",
    }
    rest = good(office, "GET", f"/webhooks/{id_}/events?after={page['data'][-1]['id']}")
    assert [each["status"] for each in page["data"] + rest["data"]] == ["failed", "success", "attempting", "pending"]
    assert "`after`" in refused(office, "GET", f"/webhooks/{id_}/events?after={UNKNOWN}")
    assert good(office, "GET", f"/webhooks/{create(office)}/events")["data"] == []


def test_an_event_tells_what_was_posted_and_what_was_answered(office: Office) -> None:
    id_ = create(office)
    event = told(
        office,
        id_,
        0,
        Post(sent_at=NOON, milliseconds=15_000, why="shop.example didn't answer within 15 s"),
        Post(sent_at=NOON + timedelta(seconds=20), milliseconds=7, status=500, response="oh no"),
    )
    path = f"/webhooks/{id_}/events/{event.id}"
    assert good(office, "GET", path) == {
        "object": "webhook_event",
        "id": event.id,
        "type": "domain.created",
        "created_at": "2030-01-02T12:00:00.123Z",
        "status": "success",
        "next_attempt_at": None,
        "payload": {
            "type": "domain.created",
            "created_at": "2030-01-02T12:00:00.123Z",
            "data": {"name": "shop.example"},
        },
    }
    attempts = good(office, "GET", f"{path}/attempts")["data"]
    ids = [each.pop("id") for each in attempts]
    assert len({UUID(each) for each in ids}) == 2
    assert attempts == [
        {
            "http_status_code": 500,
            "response": "oh no",
            "sent_at": "2030-01-02T12:00:20.123Z",
            "error": None,
            "duration_ms": 7,
        },
        {
            "http_status_code": 0,
            "response": "",
            "sent_at": "2030-01-02T12:00:00.123Z",
            "error": "shop.example didn't answer within 15 s",
            "duration_ms": 15000,
        },
    ]
    older = good(office, "GET", f"{path}/attempts?limit=1&after={ids[0]}")
    assert [each["id"] for each in older["data"]] == ids[1:]
    assert "`after`" in refused(office, "GET", f"{path}/attempts?after={UNKNOWN}")
    assert problem(ask(office, "GET", f"/webhooks/{id_}/events/{UNKNOWN}"))[:2] == (404, "not_found")


def test_an_event_of_an_erased_letter_says_nothing_any_more(office: Office) -> None:
    id_ = create(office)
    event = Event(id=newest_first(NOON, bytes), type="email.sent", created_at=NOON, parcel=(UNKNOWN, 0, 0))
    office.trying.log.begin(id_, event)
    assert good(office, "GET", f"/webhooks/{id_}/events/{event.id}")["payload"] is None


def test_an_event_of_an_erased_letter_cannot_be_replayed(office: Office) -> None:
    id_ = create(office)
    event = Event(id=newest_first(NOON, bytes), type="email.sent", created_at=NOON, parcel=(UNKNOWN, 0, 0))
    event = event.after(Post(sent_at=NOON, milliseconds=7, status=200), Told.DELIVERED)
    office.trying.log.begin(id_, event)
    path = f"/webhooks/{id_}/events/{event.id}"
    assert "has been erased" in refused(office, "POST", f"{path}/replay")
    assert good(office, "GET", path)["status"] == "success"
    assert office.schedule.notices == []


def test_an_event_is_replayed_at_once(office: Office) -> None:
    id_ = create(office)
    event = told(office, id_, 0, Post(sent_at=NOON, milliseconds=7, status=500), status=Told.FAILED)
    path = f"/webhooks/{id_}/events/{event.id}"
    assert good(office, "POST", f"{path}/replay") == {"object": "webhook_event", "id": event.id}
    [(notice, at)] = office.schedule.notices
    assert (notice.webhook, notice.events, at) == (id_, (event.id,), office.now)
    assert good(office, "GET", path)["status"] == "pending"
    assert problem(ask(office, "POST", f"/webhooks/{id_}/events/{UNKNOWN}/replay"))[:2] == (404, "not_found")


def test_who_is_disabled_gets_neither_replays_nor_samples(office: Office) -> None:
    id_ = create(office)
    event = told(office, id_)
    good(office, "PATCH", f"/webhooks/{id_}", {"status": "disabled"})
    for path in (f"/webhooks/{id_}/events/{event.id}/replay", f"/webhooks/{id_}/test"):
        assert "disabled" in refused(office, "POST", path)
    assert office.schedule.notices == []


@pytest.mark.parametrize("type_", OURS)
def test_a_sample_of_each_type_can_be_had(office: Office, type_: str) -> None:
    id_ = create(office, *NEVER, *OURS)
    made = good(office, "POST", f"/webhooks/{id_}/test", {"type": type_})
    [(notice, _)] = office.schedule.notices
    assert notice.events == (made["id"],)
    event = good(office, "GET", f"/webhooks/{id_}/events/{made['id']}")
    assert (event["type"], event["status"]) == (type_, "pending")
    assert event["payload"]["type"] == type_
    assert NOBODY in event["payload"]["data"].values()


def test_without_a_type_the_sample_is_of_the_first_that_happens_here(office: Office) -> None:
    id_ = create(office, "email.opened", "email.bounced", "email.sent")
    made = good(office, "POST", f"/webhooks/{id_}/test")
    assert good(office, "GET", f"/webhooks/{id_}/events/{made['id']}")["type"] == "email.bounced"


def test_there_is_no_sample_of_what_is_not_wanted_or_never_happens(office: Office) -> None:
    path = f"/webhooks/{create(office, 'email.opened')}/test"
    assert "email.opened never happens here" in refused(office, "POST", path, {"type": "email.opened"})
    assert "but email.opened" in refused(office, "POST", path, {"type": "email.sent"})
    assert "none of the types that happen here" in refused(office, "POST", path)
