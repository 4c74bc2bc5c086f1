"""What the clients can do beside sending: keep sending domains, keys, and the list of who isn't to be written to."""

from __future__ import annotations

from typing import Any

import pytest
import resend

from tests.clients.node import VERSIONS, Call, called, missing
from tests.clients.python import Client
from tests.journeys.office import KEY, Office, eventually
from tests.journeys.receiver import Event, receiving

needs_node = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def call(office: Office, version: int, *calls: tuple[str, list[Any]]) -> list[Any]:
    """The data of each call, none of which fails."""
    answers = called(f"http://127.0.0.1:{office.port}", [Call(version, KEY, name, args) for name, args in calls])
    assert [each["error"] for each in answers] == [None] * len(calls)
    return [each["data"] for each in answers]


@needs_node
@pytest.mark.parametrize("version", VERSIONS)
def test_node_keeps_sending_domains(office: Office, version: int) -> None:
    name = f"v{version}.node.example.com"
    made, listed, read, verified, removed = call(
        office,
        version,
        ("domains.create", [{"name": name}]),
        ("domains.list", []),
        ("domains.get", [{"$id": 0}]),
        ("domains.verify", [{"$id": 0}]),
        ("domains.remove", [{"$id": 0}]),
    )
    assert (made["name"], made["status"]) == (name, "not_started")
    assert {"record", "name", "type", "ttl", "status", "value"} <= made["records"][0].keys()
    assert name in [each["name"] for each in listed["data"]]
    assert (read["object"], read["name"]) == ("domain", name)
    assert verified == {"object": "domain", "id": made["id"]}
    assert removed == {"object": "domain", "id": made["id"], "deleted": True}


@needs_node
@pytest.mark.parametrize("version", VERSIONS)
def test_node_keeps_keys(office: Office, version: int) -> None:
    made, listed, removed = call(
        office,
        version,
        ("apiKeys.create", [{"name": f"v{version}", "permission": "sending_access"}]),
        ("apiKeys.list", []),
        ("apiKeys.remove", [{"$id": 0}]),
    )
    assert made["token"]
    assert f"v{version}" in [each["name"] for each in listed["data"]]
    assert removed == {"object": "api_key", "id": made["id"], "deleted": True}


@needs_node
def test_the_newest_node_knows_who_is_not_to_be_written_to(office: Office) -> None:
    added, read, listed, removed = call(
        office,
        VERSIONS[-1],
        ("suppressions.add", [{"email": "no+more@node.example.net"}]),
        ("suppressions.get", ["no+more@node.example.net"]),
        ("suppressions.list", [{"origin": "manual", "limit": 100}]),
        ("suppressions.remove", ["no+more@node.example.net"]),
    )
    assert read["id"] == added["id"]
    assert (read["email"], read["origin"]) == ("no+more@node.example.net", "manual")
    assert added["id"] in [each["id"] for each in listed["data"]]
    assert removed["deleted"] is True


def test_python_keeps_sending_domains(client: Client, request: pytest.FixtureRequest) -> None:
    name = f"{request.node.callspec.id}.python.example.com"
    made = client(resend.Domains, "create")({"name": name})
    assert made["records"]
    assert client(resend.Domains, "update")({"id": made["id"], "tls": "enforced"})["id"] == made["id"]
    assert client(resend.Domains, "get")(made["id"])["name"] == name
    assert made["id"] in [each["id"] for each in client(resend.Domains, "list")()["data"]]
    assert client(resend.Domains, "verify")(made["id"])["object"] == "domain"
    assert client(resend.Domains, "remove")(made["id"])["deleted"] is True


def test_python_keeps_keys(client: Client) -> None:
    made = client(resend.ApiKeys, "create")({"name": "of a test", "permission": "full_access"})
    assert made["token"]
    assert client(resend.ApiKeys, "update")({"id": made["id"], "name": "renamed"})["id"] == made["id"]

    def renamed() -> bool:  # in every process, some of which may remember its old name for a moment
        listed = {each["id"]: each["name"] for each in client(resend.ApiKeys, "list")()["data"]}
        return bool(listed[made["id"]] == "renamed")

    eventually(renamed)
    assert client(resend.ApiKeys, "remove")(made["id"])["deleted"] is True


def test_python_knows_who_is_not_to_be_written_to(client: Client) -> None:
    added = client(resend.Suppressions, "add")({"email": "no+more@resend.example.net"})
    assert client(resend.Suppressions, "get")("no+more@resend.example.net")["id"] == added["id"]
    assert added["id"] in [each["id"] for each in client(resend.Suppressions, "list")()["data"]]
    assert client(resend.Suppressions, "remove")(added["id"])["deleted"] is True


EVENTS = ["email.bounced", "email.delivered"]


def test_python_keeps_webhooks_and_verifies_what_they_are_told(office: Office, client: Client) -> None:
    def ask(name: str, *args: Any) -> Any:
        return client(resend.Webhooks, name)(*args)

    with receiving() as application:
        made = ask("create", {"endpoint": application.url("/python"), "events": EVENTS})
        application.secrets["/python"] = made["signing_secret"]
        whole = ask("get", made["id"])
        assert (whole["object"], whole["signing_secret"]) == ("webhook", made["signing_secret"])
        assert (whole["status"], whole["events"]) == ("enabled", EVENTS)
        assert made["id"] in [each["id"] for each in ask("list")["data"]]
        assert ask("update", {"webhook_id": made["id"], "events": EVENTS[:1]})["id"] == made["id"]
        status, sample = office.request("POST", f"/webhooks/{made['id']}/test")
        assert status == 201
        eventually(lambda: len(application.events("/python")) == 1)
        eventually(lambda: ask("get_event", made["id"], sample["id"])["status"] == "success")
        assert [each["id"] for each in ask("list_events", made["id"], {"limit": 1})["data"]] == [sample["id"]]
        [attempt] = ask("list_event_attempts", made["id"], sample["id"])["data"]
        assert (attempt["http_status_code"], attempt["response"]) == (200, "ok")
        assert ask("replay_event", made["id"], sample["id"])["id"] == sample["id"]
        eventually(lambda: len(application.events("/python")) == 2)
        rotated = ask("rotate_signing_secret", made["id"])
        assert ask("get", made["id"])["signing_secret"] == rotated["signing_secret"] != made["signing_secret"]
        assert ask("remove", made["id"])["deleted"] is True
        for each in application.events("/python"):
            _verify(each, made["signing_secret"])


def _verify(event: Event, secret: str) -> None:
    names = ("id", "timestamp", "signature")
    headers: Any = {name: event.headers[f"svix-{name}"] for name in names}
    resend.Webhooks.verify({"payload": event.body.decode(), "headers": headers, "webhook_secret": secret})
    with pytest.raises(ValueError, match="signature"):
        resend.Webhooks.verify({"payload": "{}", "headers": headers, "webhook_secret": secret})


@needs_node
def test_node_keeps_webhooks(office: Office) -> None:
    made, listed, read, updated, rotated, events, removed = call(
        office,
        VERSIONS[-1],
        ("webhooks.create", [{"endpoint": "https://shop.example/hook", "events": EVENTS}]),
        ("webhooks.list", []),
        ("webhooks.get", [{"$id": 0}]),
        ("webhooks.update", [{"$id": 0}, {"status": "disabled", "events": EVENTS[:1]}]),
        ("webhooks.rotateSigningSecret", [{"$id": 0}]),
        ("webhooks.events.list", [{"webhookId": {"$id": 0}}]),
        ("webhooks.remove", [{"$id": 0}]),
    )
    assert made["signing_secret"].startswith("whsec_")
    assert made["id"] in [each["id"] for each in listed["data"]]
    assert (read["status"], read["events"], read["signing_secret"]) == ("enabled", EVENTS, made["signing_secret"])
    assert updated == {"object": "webhook", "id": made["id"]}
    assert rotated["signing_secret"] != made["signing_secret"]
    assert events == {"object": "list", "has_more": False, "data": []}
    assert removed == {"object": "webhook", "id": made["id"], "deleted": True}
