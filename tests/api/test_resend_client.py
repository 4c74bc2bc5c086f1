"""Resend's own client for Python, over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import resend
from resend import exceptions
from werkzeug.serving import WSGIRequestHandler, make_server

from postroom.message.letter import Attachment
from postroom.ports import Unavailable
from tests.api.office import FULL, SENDING, Office


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, werkzeug's own name
        pass


@pytest.fixture
def office(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """The office at an address, and the client pointed at it."""
    server = make_server("127.0.0.1", 0, office.app, threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(resend, "api_key", FULL)
    yield office
    server.shutdown()
    thread.join()
    server.server_close()


LETTER: Any = {
    "from": "Shop <hello@shop.example>",
    "to": ["ann@home.example", "bob@home.example"],
    "subject": "Hello",
    "html": "<p>Hello",
    "text": "Hello",
    "cc": "carl@home.example",
    "bcc": ["dora@home.example"],
    "reply_to": "help@shop.example",
    "headers": {"X-Order": "7"},
    "tags": [{"name": "kind", "value": "receipt"}],
    "attachments": [
        {"filename": "a.txt", "content": list(b"ABC")},
        {"filename": "logo.png", "content": "QUJD", "content_type": "image/png", "content_id": "logo"},
    ],
}


def test_it_sends_and_reads_back(office: Office) -> None:
    sent = resend.Emails.send(LETTER)
    email: Any = resend.Emails.get(sent["id"])
    assert email["id"] == sent["id"]
    assert email["to"] == ["ann@home.example", "bob@home.example"]
    assert email["last_event"] == "queued"
    assert email["http_headers"]["X-Request-Id"]
    assert office.kept(sent["id"]).attachments == (
        Attachment(filename="a.txt", content=b"ABC", content_type="text/plain"),
        Attachment(filename="logo.png", content=b"ABC", content_type="image/png", content_id="logo"),
    )
    listed: Any = resend.Emails.list({"limit": 1})
    assert (listed["has_more"], [each["id"] for each in listed["data"]]) == (False, [sent["id"]])


def test_its_idempotency_keys_work(office: Office) -> None:
    options: Any = {"idempotency_key": "order-7"}
    assert resend.Emails.send(LETTER, options)["id"] == resend.Emails.send(LETTER, options)["id"]
    assert len(office.submissions.stored) == 1
    with pytest.raises(exceptions.ResendError, match="idempotency key") as caught:
        resend.Emails.send(LETTER | {"subject": "Other"}, options)
    assert (caught.value.code, caught.value.error_type) == (409, "invalid_idempotent_request")


@pytest.mark.usefixtures("office")
def test_a_slash_at_the_end_of_the_address_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", resend.api_url + "/")
    assert resend.Emails.get(resend.Emails.send(LETTER)["id"])["subject"] == "Hello"


def test_its_domains_work(office: Office) -> None:
    made: Any = resend.Domains.create({"name": "news.shop.example", "region": "eu-west-1"})
    assert (made["status"], made["region"]) == ("not_started", "eu-west-1")
    for each in made["records"]:
        office.book.records[each["name"], "TXT"] = (each["value"],)
    verified: Any = resend.Domains.verify(made["id"])
    assert (verified["object"], verified["id"]) == ("domain", made["id"])
    read: Any = resend.Domains.get(made["id"])
    assert (read["status"], [each["status"] for each in read["records"]]) == ("verified", ["verified", "verified"])
    assert resend.Domains.update({"id": made["id"], "tls": "enforced", "open_tracking": False})["id"] == made["id"]
    listed: Any = resend.Domains.list()
    assert (listed["object"], made["id"] in [each["id"] for each in listed["data"]]) == ("list", True)
    assert resend.Emails.send(LETTER | {"from": "hello@news.shop.example"})["id"]
    assert resend.Domains.remove(made["id"])["deleted"]
    with pytest.raises(exceptions.ResendError, match="no domain") as caught:
        resend.Domains.get(made["id"])
    assert caught.value.code == 404
    with pytest.raises(exceptions.ValidationError, match="`name` field"):
        resend.Domains.create({"name": "localhost"})


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("change", "error", "code", "message"),
    [
        ({"to": None}, exceptions.MissingRequiredFieldsError, 422, "Missing `to` field."),
        ({"subject": 1}, exceptions.ValidationError, 422, "Invalid `subject` field: expected a string, not a number."),
        ({"from": "a@new.example"}, exceptions.ResendError, 403, "new.example"),
        ({"from": "a"}, exceptions.ResendError, 422, "Invalid `from` field"),
        ({"attachments": [{}]}, exceptions.ResendError, 422, "Missing `attachments"),
    ],
)
def test_a_refused_letter_is_its_own_error(
    change: dict[str, Any], error: type[exceptions.ResendError], code: int, message: str
) -> None:
    with pytest.raises(error) as caught:
        resend.Emails.send(LETTER | change)
    assert type(caught.value) is error
    assert caught.value.code == code
    assert message in caught.value.message


@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("key", "error", "code"),
    [
        ("wrong", exceptions.InvalidApiKeyError, 403),
        ("", exceptions.MissingApiKeyError, 401),
        (SENDING, exceptions.ResendError, 401),
    ],
)
def test_a_wrong_key_is_its_own_error(
    monkeypatch: pytest.MonkeyPatch, key: str, error: type[exceptions.ResendError], code: int
) -> None:
    monkeypatch.setattr(resend, "api_key", key)
    with pytest.raises(error) as caught:
        resend.Emails.list()
    assert type(caught.value) is error
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("down", "error", "code"),
    [
        (ZeroDivisionError(), exceptions.ApplicationError, 500),
        (Unavailable("the disk is full"), exceptions.ResendError, 503),
    ],
)
def test_a_bad_day_of_ours_is_its_own_error(
    office: Office, down: Exception, error: type[exceptions.ResendError], code: int
) -> None:
    office.submissions.down = down
    with pytest.raises(error) as caught:
        resend.Emails.send(LETTER)
    assert (type(caught.value), caught.value.code) == (error, code)


@pytest.mark.usefixtures("office")
def test_what_is_not_there_is_told() -> None:
    with pytest.raises(exceptions.ResendError, match="no email") as caught:
        resend.Emails.get("00000000-0000-4000-8000-00000000ffff")
    assert caught.value.code == 404
    with pytest.raises(exceptions.ResendError, match="nothing at this path") as caught:
        resend.Broadcasts.list()
    assert caught.value.error_type == "not_found"


def test_its_batches_are_taken(office: Office) -> None:
    body: Any = [LETTER, LETTER | {"to": "ann@home.example"}, LETTER]
    options: Any = {"idempotency_key": "order-8"}
    sent: Any = resend.Batch.send(body, options)
    assert len({each["id"] for each in sent["data"]}) == len(office.submissions.stored) == 3
    assert "errors" not in sent
    assert resend.Batch.send(body, options)["data"] == sent["data"]
    with pytest.raises(exceptions.ResendError, match="idempotency key") as caught:
        resend.Batch.send(body[::-1][:2], options)
    assert (caught.value.code, caught.value.error_type) == (409, "invalid_idempotent_request")


def test_its_permissive_batches_tell_what_is_wrong(office: Office) -> None:
    body: Any = [LETTER | {"to": "nobody"}, LETTER]
    with pytest.raises(exceptions.ValidationError, match=r"`\[0\].to` field"):
        resend.Batch.send(body, {"batch_validation": "strict"})
    sent: Any = resend.Batch.send(body, {"batch_validation": "permissive"})
    assert [each["index"] for each in sent["errors"]] == [0]
    assert [each["id"] for each in sent["data"]] == list(office.submissions.stored)
