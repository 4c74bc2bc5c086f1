"""What `POST /emails` refuses, and in which words; and what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.office import Office, letter, problem

HALF = "\ud800"  # of a surrogate pair
LONG = "x" * 257

MISSING = [
    ({}, "Missing `from` field. Missing `to` field. Missing `subject` field. Missing `html` or `text` field."),
    (letter(sender=...), "Missing `from` field."),
    (letter(sender=None), "Missing `from` field."),
    (letter(to=None), "Missing `to` field."),
    (letter(subject=...), "Missing `subject` field."),
    (letter(text=...), "Missing `html` or `text` field."),
    (letter(text=""), "Missing `html` or `text` field."),
    (letter(text=None, html=""), "Missing `html` or `text` field."),
    (letter(tags=[{"name": "a"}, {"value": "b"}]), "Missing `tags[0].value` field. Missing `tags[1].name` field."),
]

FROM = [
    (letter(sender=""), "it is empty"),
    (letter(sender="Shop"), "there is no '@' after its local part"),
    (letter(sender="a@shop.example\r\nBcc: b@home.example"), "it holds a control character or a line break"),
    (letter(sender=["a@shop.example"]), "expected a string, not an array"),
    (letter(sender=True), "expected a string, not a boolean"),
    (letter(sender=HALF + "@shop.example"), "it holds half a surrogate pair at position 0"),
]

OFFER = "this deployment doesn't offer it; leave it out"
TAG = "a tag is made of 1 to 256 ASCII letters, digits, `_` and `-`"

INVALID: list[tuple[dict[str, Any], str, str]] = [
    (letter(to=[]), "to", "it holds 0 addresses, and 1 to 50 may be given"),
    (letter(to=["a@b.example"] * 51), "to", "it holds 51 addresses, and 1 to 50 may be given"),
    (letter(cc=["a@b.example"] * 51), "cc", "it holds 51 addresses, and 0 to 50 may be given"),
    (letter(bcc=["a@b.example"] * 51), "bcc", "it holds 51 addresses, and 0 to 50 may be given"),
    (letter(to=7), "to", "expected a string or an array of strings, not a number"),
    (letter(to={"email": "a@b.example"}), "to", "expected a string or an array of strings, not an object"),
    (letter(to=["a@b.example", None]), "to[1]", "expected a string, not null"),
    (letter(to=["a@b.example", "b"]), "to[1]", "there is no '@' after its local part"),
    (letter(to="a@b.example, c@b.example"), "to", "it holds more than one '@'"),
    (letter(bcc=["x@[127.0.0.1]"]), "bcc[0]", "an IP address in brackets is not accepted as its domain"),
    (letter(reply_to=False), "reply_to", "expected a string or an array of strings, not a boolean"),
    (letter(subject=1), "subject", "expected a string, not a number"),
    (letter(subject="x" * 999), "subject", "it is longer than 998 characters"),
    (letter(subject="a\nb"), "subject", "it holds a character that no header can carry (U+000A)"),
    (letter(html=[]), "html", "expected a string, not an array"),
    (letter(html="<p>" + HALF), "html", "it holds half a surrogate pair at position 3"),
    (letter(text=0), "text", "expected a string, not a number"),
    (letter(headers=[]), "headers", "expected an object of strings, not an array"),
    (letter(headers={"X-A": 1}), "headers.X-A", "expected a string, not a number"),
    (letter(headers={"X-A": "a\r\nBcc: b"}), "headers.X-A", "it holds a character that no header can carry (U+000D)"),
    (letter(headers={"Bcc": "a"}), "headers.Bcc", "`Bcc` may not be set: use `bcc`; it never stands in a letter"),
    (
        letter(headers={"X A\r\n": "a"}),
        'headers."X A\\r\\n"',
        "a header's name is made of printable ASCII characters without colon or space",
    ),
    (letter(headers={"Message-ID": "x"}), "headers.Message-ID", "a message id looks like <left@right>"),
    (
        letter(headers={"X-A": "1", "x-a": "2"}),
        "headers.x-a",
        "it is given twice, and letters don't tell upper from lower case there",
    ),
    (
        letter(headers={f"X-{n}": "" for n in range(101)}),
        "headers",
        "it holds 101 headers, and at most 100 may be given",
    ),
    (
        letter(headers={f"X-{n}": "a " * 8000 for n in range(5)}),
        "headers",
        "its names and values hold more than 65536 characters in total",
    ),
    (letter(tags={"a": "b"}), "tags", "expected an array, not an object"),
    (letter(tags=[None]), "tags[0]", "expected an object, not null"),
    (letter(tags=["a"]), "tags[0]", "expected an object, not a string"),
    (letter(tags=[{"name": "a", "value": 1}]), "tags[0].value", "expected a string, not a number"),
    (letter(tags=[{"name": "ä", "value": "b"}]), "tags[0].name", TAG),
    (letter(tags=[{"name": "a", "value": "b\n"}]), "tags[0].value", TAG),
    (letter(tags=[{"name": "a", "value": ""}]), "tags[0].value", TAG),
    (letter(tags=[{"name": LONG, "value": "b"}]), "tags[0].name", TAG),
    (letter(tags=[{"name": "a", "value": "b"}] * 51), "tags", "it holds 51 items, and at most 50 may be given"),
    (
        letter(tags=[{"name": "a", "value": "b"}, {"name": "A", "value": "b"}, {"name": "a", "value": "c"}]),
        "tags[2].name",
        "an item before it has the same",
    ),
    (letter(scheduled_at=1893456000), "scheduled_at", "expected a string, not a number"),
    (letter(scheduled_at=["in 1 min"]), "scheduled_at", "expected a string, not an array"),
    (letter(scheduled_at="\ud800"), "scheduled_at", "it holds half a surrogate pair at position 0"),
    (letter(topic_id="x"), "topic_id", OFFER),
    (letter(delivery="fast"), "delivery", "expected an object, not a string"),
    (letter(delivery={"on_unknown": "drop"}), "delivery.on_unknown", "expected one of retry, hold"),
    (letter(delivery={"tls": "none"}), "delivery.tls", "expected one of opportunistic, require, verify"),
    (letter(delivery={"requiretls": "yes"}), "delivery.requiretls", "expected true or false, not a string"),
    (letter(delivery={"requiretls": 1}), "delivery.requiretls", "expected true or false, not a number"),
    (letter(delivery={"route": ""}), "delivery.route", "a route's name has 1 to 100 characters"),
    (letter(delivery={"route": "pigeon"}), "delivery.route", "there is no route named 'pigeon'"),
    (letter(to="a@elsewhere.test"), "to", "no route carries mail for elsewhere.test"),
    (
        letter(delivery={"expires_at": "2030-01-02T12:00:00Z"}),
        "delivery.expires_at",
        "it has passed, so the letter could never be sent",
    ),
] + [
    (
        letter(delivery={"expires_at": time}),
        "delivery.expires_at",
        "expected a time in ISO 8601 with its offset, such as 2030-01-31T09:30:00Z",
    )
    for time in ("tomorrow", "2031-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "")
]


@pytest.mark.parametrize(("body", "message"), MISSING)
def test_what_is_missing_is_named(office: Office, body: Any, message: str) -> None:
    assert problem(office.post(body)) == (422, "missing_required_field", message)
    assert not office.submissions.stored


@pytest.mark.parametrize(("body", "why"), FROM)
def test_a_bad_sender_has_a_name_of_its_own(office: Office, body: Any, why: str) -> None:
    assert problem(office.post(body)) == (422, "invalid_from_address", f"Invalid `from` field: {why}.")
    assert not office.submissions.stored


@pytest.mark.parametrize(("body", "path", "why"), INVALID)
def test_what_is_invalid_is_named_by_its_path(office: Office, body: Any, path: str, why: str) -> None:
    assert problem(office.post(body)) == (422, "validation_error", f"Invalid `{path}` field: {why}.")
    assert not office.submissions.stored


def test_everything_that_is_wrong_is_told_at_once(office: Office) -> None:
    body = {
        "from": "nobody",
        "to": ["ann@home.example", "bob"],
        "html": 1,
        "headers": {"From": "x@y.example", "X-Good": "yes"},
        "tags": [{"name": "good", "value": "good"}, {"name": "not good", "value": "good"}],
        "attachments": [{"filename": "a.txt"}, {"content": "%"}],
        "topic_id": "news",
        "delivery": {"tls": "no", "expires_at": "2020-01-01T00:00:00Z"},
    }
    assert problem(office.post(body)) == (
        422,
        "validation_error",
        "Missing `subject` field. Missing `attachments[0].content` or `path` field. "
        "Invalid `from` field: there is no '@' after its local part. "
        "Invalid `to[1]` field: there is no '@' after its local part. "
        "Invalid `html` field: expected a string, not a number. "
        "Invalid `headers.From` field: `From` may not be set: it is written from `from`. "
        f"Invalid `tags[1].name` field: {TAG}. "
        "Invalid `attachments[1].content` field: it is not base64; send the standard alphabet with its padding. "
        f"Invalid `topic_id` field: {OFFER}. "
        "Invalid `delivery.tls` field: expected one of opportunistic, require, verify. "
        "Invalid `delivery.expires_at` field: it has passed, so the letter could never be sent.",
    )
    assert not office.submissions.stored
    assert not office.schedule.put_


def test_a_sender_of_an_unverified_domain_is_refused(office: Office) -> None:
    status, name, message = problem(office.post(letter(sender="a@new.example")))
    assert (status, name) == (403, "validation_error")
    assert "new.example" in message
    assert not office.submissions.stored


def test_a_letter_is_stored_as_it_was_asked_for(office: Office) -> None:
    id_ = office.send(
        to=["Ann <ann@home.example>", "bob@HOME.example"],
        cc="carl@home.example",
        bcc=["dora@home.example"],
        reply_to="help@shop.example",
        html="<p>Grüße 🎉",
        headers={"X-Order": "7", "message-id": " <7@shop.example> ", "X-None": None},
        tags=[{"name": "kind", "value": "receipt", "more": 1}],
        delivery={
            "expires_at": "2030-01-03T13:00:00+01:00",
            "on_unknown": "hold",
            "requiretls": True,
            "route": "mx",
            "tls": "verify",
        },
    )
    kept = office.kept(id_)
    assert [str(each) for each in kept.to] == ["Ann <ann@home.example>", "bob@home.example"]
    assert [str(each) for each in kept.cc] == ["carl@home.example"]
    assert [str(each) for each in kept.reply_to] == ["help@shop.example"]
    assert (kept.subject, kept.text, kept.html) == ("Hello", "Hello, Ann.", "<p>Grüße 🎉")
    assert kept.headers == (("X-Order", "7"),)
    stored = office.submissions.stored[id_]
    assert stored.message_id == "<7@shop.example>"
    assert stored.bcc == ("dora@home.example",)
    assert stored.tags == (("kind", "receipt"),)
    assert stored.expires_at is not None
    assert stored.expires_at.isoformat() == "2030-01-03T12:00:00+00:00"
    assert (stored.on_unknown, stored.route, stored.tls, stored.requiretls) == ("hold", "mx", "verify", True)
    assert len(office.schedule.put_) == 1


def test_null_counts_as_absent_and_unknown_members_are_passed_over(office: Office) -> None:
    nulls = dict.fromkeys(
        ("html", "cc", "bcc", "reply_to", "headers", "tags", "attachments", "scheduled_at", "template", "topic_id")
    )
    plain = office.kept(office.send())
    delivery = {"expires_at": None, "on_unknown": None, "requiretls": None, "route": None, "tls": None}
    assert office.kept(office.send(**nulls, delivery=delivery, replyTo="x", scheduledAt=1, react={})) == plain
    assert office.kept(office.send(delivery=None, cc=[], tags=[], attachments=[], headers={})) == plain


def test_an_empty_subject_is_a_subject(office: Office) -> None:
    assert office.kept(office.send(subject="")).subject == ""
