"""An application keeps a webhook over the API: tries it out, reads its log, replays, rotates its secret, loses it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.office import Office, eventually
from tests.journeys.receiver import Event, Receiver, receiving


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as application:
        yield application


class Webhook:
    """One that is kept over the API."""

    def __init__(self, office: Office, receiver: Receiver, path: str, *events: str, credentials: str = "") -> None:
        self.office, self.receiver, self.path = office, receiver, f"{path}/{office.place.home}"
        endpoint = receiver.url(self.path).replace("://", f"://{credentials}@" if credentials else "://")
        status, made = office.request("POST", "/webhooks", {"endpoint": endpoint, "events": events})
        assert status == 201, made
        self.id, self.secret = made["id"], made["signing_secret"]
        receiver.secrets[self.path] = self.secret

    def ask(self, method: str, path: str = "", body: Any = None) -> dict[str, Any]:
        status, answer = self.office.request(method, f"/webhooks/{self.id}{path}", body)
        assert status in (200, 201), answer
        found: dict[str, Any] = answer
        return found

    def test(self) -> str:
        """The id of a sample."""
        return str(self.ask("POST", "/test")["id"])

    def heard(self) -> list[Event]:
        return self.receiver.events(self.path)

    def status(self, event: str) -> str:
        return str(self.ask("GET", f"/events/{event}")["status"])

    def succeeds(self, event: str, before: str) -> None:
        """Notify may remember the webhook as it was a moment ago: the event is replayed once where it is `before`."""
        eventually(lambda: self.status(event) in ("success", before))
        if self.status(event) == before:
            self.ask("POST", f"/events/{event}/replay")
        eventually(lambda: self.status(event) == "success")


def test_a_sample_is_posted_and_stands_in_the_log(office: Office, receiver: Receiver) -> None:
    webhook = Webhook(office, receiver, "/sample", "email.bounced")
    id_ = webhook.test()
    eventually(lambda: [each.id for each in webhook.heard()] == [id_])
    eventually(lambda: webhook.status(id_) == "success")
    assert webhook.ask("GET", f"/events/{id_}")["payload"]["data"] == webhook.heard()[0].data
    [summary] = webhook.ask("GET", "/events")["data"]
    assert (summary["id"], summary["type"]) == (id_, "email.bounced")
    [attempt] = webhook.ask("GET", f"/events/{id_}/attempts")["data"]
    assert (attempt["http_status_code"], attempt["response"], attempt["error"]) == (200, "ok", None)


def test_an_event_that_failed_is_replayed_under_its_id(office: Office, receiver: Receiver) -> None:
    webhook = Webhook(office, receiver, "/replayed", "email.bounced")
    receiver.answers[webhook.path] = lambda: 500
    id_ = webhook.test()
    eventually(lambda: webhook.status(id_) == "attempting")
    receiver.answers[webhook.path] = lambda: 200
    webhook.ask("POST", f"/events/{id_}/replay")
    eventually(lambda: webhook.status(id_) == "success")
    assert {each.id for each in webhook.heard()} == {id_}
    statuses = [each["http_status_code"] for each in webhook.ask("GET", f"/events/{id_}/attempts")["data"]]
    assert (statuses[0], statuses[-1]) == (200, 500)


def test_while_a_secret_is_rotated_both_are_good(office: Office, receiver: Receiver) -> None:
    webhook = Webhook(office, receiver, "/rotated", "email.bounced")
    new = webhook.ask("POST", "/signing-secret/rotate")["signing_secret"]
    receiver.refused.clear()
    for secret in (webhook.secret, new):
        receiver.secrets[webhook.path] = secret
        webhook.succeeds(webhook.test(), "attempting")
    assert len({each.id for each in webhook.heard()}) == 2


def test_who_is_gone_is_disabled_and_another_webhook_hears_of_it(office: Office, receiver: Receiver) -> None:
    gone = Webhook(office, receiver, "/gone", "email.bounced", credentials="shop:secret")
    watcher = Webhook(office, receiver, "/watcher", "webhook.disabled")
    time.sleep(0.5)  # what the house remembers of who wants to hear can't be waited for otherwise
    receiver.answers[gone.path] = lambda: 410
    id_ = gone.test()
    eventually(lambda: gone.ask("GET")["status"] == "disabled")
    assert "410" in gone.ask("GET")["disabled_reason"]
    eventually(lambda: len(watcher.heard()) == 1)
    [event] = watcher.heard()
    assert (event.type, event.data["id"]) == ("webhook.disabled", gone.id)
    assert event.data["endpoint"] == receiver.url(gone.path)
    eventually(lambda: gone.status(id_) == "failed")
    assert office.request("POST", f"/webhooks/{gone.id}/test")[0] == 422
    receiver.answers[gone.path] = lambda: 200
    gone.ask("PATCH", body={"status": "enabled"})
    gone.succeeds(gone.test(), "failed")


def test_the_credentials_of_an_endpoint_are_sent_and_stand_in_no_log(office: Office, receiver: Receiver) -> None:
    webhook = Webhook(office, receiver, "/credentials", "email.bounced", credentials="shop:secret")
    id_ = webhook.test()
    eventually(lambda: webhook.status(id_) == "success")
    assert webhook.heard()[0].headers["authorization"] == "Basic c2hvcDpzZWNyZXQ="
    assert "secret" not in str(webhook.ask("GET", f"/events/{id_}/attempts"))


def test_a_deleted_webhook_is_told_nothing_more(office: Office, receiver: Receiver) -> None:
    webhook = Webhook(office, receiver, "/deleted", "email.bounced")
    assert webhook.ask("DELETE")["deleted"] is True
    for method, path in (("GET", ""), ("POST", "/test"), ("GET", "/events")):
        assert office.request(method, f"/webhooks/{webhook.id}{path}")[0] == 404
