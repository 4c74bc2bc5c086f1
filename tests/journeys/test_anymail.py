"""Django sends through us by django-anymail's backend for Resend, whose address is changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError
from anymail.message import AnymailMessage, attach_inline_image
from anymail.signals import tracking
from anymail.webhooks.resend import ResendTrackingWebhookView
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.test import RequestFactory

from tests.clients.whole import NOTE, PICTURE, SUBJECT, parsed
from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office, eventually
from tests.journeys.receiver import Event, receiving

Connect = Callable[..., Any]


@pytest.fixture
def connect(office: Office) -> Connect:
    if not settings.configured:
        settings.configure(USE_TZ=True)

    def connect(key: str = KEY) -> Any:
        url = f"http://127.0.0.1:{office.port}/"
        return get_connection("anymail.backends.resend.EmailBackend", api_key=key, api_url=url)

    return connect


def test_a_plain_letter(office: Office, destination: Destination, connect: Connect) -> None:
    message = EmailMessage(
        SUBJECT, "Hallo Ünal\n", "Büro <alice@example.org>", ["Ünal <plain@anymail.example.net>"], connection=connect()
    )
    assert message.send() == 1
    status = message.anymail_status
    assert status.recipients["plain@anymail.example.net"].status == "queued"
    office.wait_for(status.message_id, "delivered")
    (taken,) = destination.letters_to("plain@anymail.example.net")
    arrived = parsed(taken.content)
    assert (arrived["Subject"], str(arrived["From"])) == (SUBJECT, "Büro <alice@example.org>")
    assert arrived.get_content_type() == "text/plain"
    assert arrived.get_content().splitlines() == ["Hallo Ünal"]


def test_a_letter_with_all_that_anymail_knows(office: Office, destination: Destination, connect: Connect) -> None:
    message = AnymailMessage(
        subject="all of it",
        body="text\n",
        from_email="alice@example.org",
        to=["all@anymail.example.net"],
        cc=["Second <cc@anymail.example.net>"],
        bcc=["bcc@anymail.example.net"],
        reply_to=["help@example.org", "more@example.org"],
        headers={"X-Order": 7, "List-Unsubscribe": "<https://example.org/u>"},
        connection=connect(),
    )
    cid = attach_inline_image(message, PICTURE, subtype="png", domain="example.org")
    message.attach_alternative(f'<img src="cid:{cid}">\n', "text/html")
    message.attach("Notiz für März.txt", NOTE.decode(), "text/plain")
    message.attach("rechnung.pdf", PICTURE, "application/pdf")
    message.tags = ["receipt", "März"]
    message.metadata = {"order": "A-7"}
    message.esp_extra = {"delivery": {"on_unknown": "hold"}, "tags": [{"name": "kind", "value": "receipt"}]}
    assert message.send() == 1
    id_ = message.anymail_status.message_id
    email = office.wait_for(id_, "delivered", "delivered", "delivered")
    assert email["tags"] == [{"name": "kind", "value": "receipt"}]

    (taken,) = destination.letters_to("bcc@anymail.example.net")
    assert b"bcc@anymail.example.net" not in taken.content
    arrived = parsed(taken.content)
    assert (str(arrived["To"]), str(arrived["Cc"])) == ("all@anymail.example.net", "Second <cc@anymail.example.net>")
    assert str(arrived["Reply-To"]) == "help@example.org, more@example.org"
    assert (arrived["X-Order"], arrived["List-Unsubscribe"]) == ("7", "<https://example.org/u>")
    assert json.loads(arrived["X-Tags"]) == message.tags
    assert json.loads(arrived["X-Metadata"]) == message.metadata
    parts = {part.get_content_type(): part for part in arrived.walk()}
    assert cid in parts["text/html"].get_content()
    assert parts["image/png"]["Content-ID"] == f"<{cid}>"
    assert parts["image/png"].get_payload(decode=True) == PICTURE
    files = {part.get_filename(): part.get_payload(decode=True) for part in arrived.iter_attachments()}
    assert files["rechnung.pdf"] == PICTURE
    assert files["Notiz für März.txt"] == NOTE


def test_a_letter_to_each_is_a_batch(office: Office, destination: Destination, connect: Connect) -> None:
    recipients = ["one@batch.anymail.example.net", "two@batch.anymail.example.net"]
    message = AnymailMessage("each", "text\n", "alice@example.org", recipients, connection=connect())
    message.metadata = {"campaign": "winter"}
    message.merge_metadata = {each: {"customer": each} for each in recipients}
    message.attach("rechnung.pdf", PICTURE, "application/pdf")
    assert message.send() == 1
    for each in recipients:
        office.wait_for(message.anymail_status.recipients[each].message_id, "delivered")
        (taken,) = destination.letters_to(each)
        assert taken.rcpt_tos == (each,)
        arrived = parsed(taken.content)
        assert str(arrived["To"]) == each
        assert json.loads(arrived["X-Metadata"]) == {"campaign": "winter", "customer": each}
        assert [part.get_payload(decode=True) for part in arrived.iter_attachments()] == [PICTURE]


def test_a_letter_for_later(office: Office, connect: Connect) -> None:
    message = AnymailMessage("later", "text\n", "a@example.org", ["later@anymail.example.net"], connection=connect())
    message.send_at = datetime.now(timezone(timedelta(hours=1))).replace(microsecond=0) + timedelta(days=2)
    assert message.send() == 1
    email = office.email(message.anymail_status.message_id)
    assert email["last_event"] == "scheduled"
    assert datetime.fromisoformat(email["scheduled_at"]) == message.send_at


@pytest.mark.parametrize(
    ("change", "key", "status", "name"),
    [
        ({"from_email": "alice@stranger.example"}, KEY, 403, "validation_error"),
        ({"headers": {"Bcc": "x@example.org"}}, KEY, 422, "validation_error"),
        ({}, "pr_wrong", 403, "invalid_api_key"),
    ],
)
def test_our_errors_are_its_own(connect: Connect, change: dict[str, Any], key: str, status: int, name: str) -> None:
    whole = {"subject": "x", "body": "x", "from_email": "alice@example.org", "to": ["x@anymail.example.net"]}
    message = EmailMessage(**whole | change, connection=connect(key))
    with pytest.raises(AnymailAPIError, match=f'"{name}"') as caught:
        message.send()
    assert caught.value.status_code == status


def test_what_becomes_of_letters_is_told_to_django(
    office: Office, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event, as it came, is given to anymail's view, which verifies it and sends its signal."""
    heard: list[Any] = []

    def hear(event: Any, **_: Any) -> None:
        heard.append(event)

    tracking.connect(hear)
    monkeypatch.setattr(settings, "ANYMAIL", {"WEBHOOK_SECRET": "shop:secret"}, raising=False)
    with receiving() as application:
        path = f"/anymail/{office.place.home}"
        endpoint = application.url(path).replace("://", "://shop:secret@")
        events = ["email.sent", "email.delivered", "email.delivery_delayed", "email.bounced", "email.complained"]
        _, made = office.request("POST", "/webhooks", {"endpoint": endpoint, "events": events})
        application.secrets[path] = made["signing_secret"]
        time.sleep(0.5)  # what the house remembers of who wants to hear can't be waited for otherwise
        message = AnymailMessage(
            "events",
            "text\n",
            "alice@example.org",
            [f"{who}+django@postroom.test" for who in ("delivered", "bounced", "complained")],
            connection=connect(),
        )
        message.tags, message.metadata = ["receipt", "März"], {"order": "A-7"}
        assert message.send() == 1
        eventually(lambda: len({each.id for each in application.events(path)}) == 7, 20, lambda: application.heard)
        told = {each.id: each for each in application.events(path)}
        assert application.refused == []
        assert office.request("DELETE", f"/webhooks/{made['id']}")[0] == 200
    view = ResendTrackingWebhookView.as_view(signing_secret=made["signing_secret"])
    for each in told.values():
        assert view(_request(each)).status_code == 200
    tracking.disconnect(hear)
    assert {each.event_id for each in heard} == set(told)
    assert {(each.recipient.partition("+")[0], each.event_type, each.reject_reason) for each in heard} == {
        ("delivered", "sent", None),
        ("delivered", "delivered", None),
        ("bounced", "sent", None),
        ("bounced", "bounced", "bounced"),
        ("complained", "sent", None),
        ("complained", "delivered", None),
        ("complained", "complained", None),
    }
    for each in heard:
        assert each.message_id == message.anymail_status.message_id
        assert (each.tags, each.metadata) == (["receipt", "März"], {"order": "A-7"})


def _request(event: Event) -> Any:
    """The post, as Django has it."""
    length = {"content-length", "content-type"}
    headers = {name: value for name, value in event.headers.items() if name not in length}
    return RequestFactory().post("/", event.body, content_type="application/json", headers=headers)
