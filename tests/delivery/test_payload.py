"""The bodies of events, as Resend's clients and django-anymail read them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from postroom.delivery.news import News
from postroom.delivery.parcel import Parcel
from postroom.delivery.payload import event, letter_event
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from tests.contracts.samples import NOON, parcel

ID = SubmissionId("00000000-0000-4000-8000-000000000001")


def about(**news: Any) -> tuple[Submission, Parcel]:
    one = parcel(ID, 0, "example.org")
    two = replace(one.recipients[0], address="ben@example.org")
    told = News(recipient=1, at=NOON + timedelta(minutes=1), webhooks=("hook",), **news)
    submission = Submission(
        id=ID,
        created_at=NOON,
        fingerprint="f",
        message_id=f"<{ID}@example.com>",
        sender="Bob <bob@example.com>",
        to=("ann@example.org", "ben@example.org"),
        subject="Abendessen \N{GREEK SMALL LETTER PI}",
        tags=(("kind", "invitation"),),
    )
    return submission, replace(one, recipients=(*one.recipients, two), news=(told,))


def body(headers: tuple[tuple[str, str], ...] = (), **news: Any) -> Any:
    return json.loads(letter_event(*about(**news), 0, headers))


COMMON = {
    "email_id": ID,
    "message_id": f"<{ID}@example.com>",
    "created_at": "2026-03-01T12:00:00.000Z",
    "from": "Bob <bob@example.com>",
    "to": ["ben@example.org"],
    "subject": "Abendessen \N{GREEK SMALL LETTER PI}",
    "tags": {"kind": "invitation"},
}


@pytest.mark.parametrize("word", ["sent", "scheduled", "delivered", "delivery_delayed", "complained"])
def test_what_is_told_of_a_letter_names_one_recipient_alone(word: str) -> None:
    assert body(word=word) == {"type": f"email.{word}", "created_at": "2026-03-01T12:01:00.000Z", "data": COMMON}


def test_the_headers_that_a_letter_was_given_come_along_where_there_are_any() -> None:
    told = body((("X-Tags", '["a"]'), ("X-Metadata", "{}")), word="sent")["data"]
    assert told == COMMON | {
        "headers": [{"name": "X-Tags", "value": '["a"]'}, {"name": "X-Metadata", "value": "{}"}],
    }


@pytest.mark.parametrize(
    ("cause", "sub_type"),
    [
        ("no_such_mailbox", "NoEmail"),
        ("mailbox_full", "MailboxFull"),
        ("size", "MessageTooLarge"),
        ("spam", "ContentRejected"),
        ("policy", "General"),
    ],
)
def test_a_bounce_is_told_in_resends_words_and_in_the_servers(cause: str, sub_type: str) -> None:
    told = body(word="bounced", code=550, enhanced_code="5.1.1", response="550 5.1.1 no such user", cause=cause)
    assert told["type"] == "email.bounced"
    assert told["data"] == COMMON | {
        "bounce": {
            "message": "The recipient's mail server sent a bounce message: 550 5.1.1 no such user",
            "type": "Permanent",
            "subType": sub_type,
            "diagnosticCode": ["smtp; 550 5.1.1 no such user"],
        }
    }


def test_a_domain_that_nobody_could_be_asked_at_has_no_diagnosis() -> None:
    bounce = body(word="bounced", cause="null_mx")["data"]["bounce"]
    assert (bounce["diagnosticCode"], bounce["subType"]) == ([], "NoEmail")
    assert bounce["message"].endswith("bounce message: null_mx")


def test_what_became_too_old_has_bounced_for_now() -> None:
    bounce = body(word="bounced", expired=True, response="450 4.2.1 not now", cause="deferred")["data"]["bounce"]
    assert bounce["type"] == "Transient"
    assert "bounce message" in bounce["message"]


def test_what_failed_and_what_was_suppressed_say_why() -> None:
    assert body(word="failed", cause="attachment")["data"]["failed"] == {"reason": "attachment"}
    listed = body(word="suppressed", cause="complaint")["data"]["suppressed"]
    assert (listed["type"], listed["reason"], listed["diagnosticCode"]) == ("OnAccountSuppressionList", "complaint", [])
    assert "suppressed sending to this address" in listed["message"]
    ruled_out = body(word="suppressed", cause="only_to")["data"]["suppressed"]
    assert (ruled_out["type"], ruled_out["reason"]) == ("Settings", "only_to")


def test_the_same_news_has_the_same_octets_and_they_are_ascii() -> None:
    submission, told = about(word="bounced", response="550 \ud800 half of a pair")
    octets = letter_event(submission, told, 0, ())
    assert octets == letter_event(submission, Parcel.from_record(told.record()), 0, ())
    assert octets.isascii()


def test_other_events_are_their_data() -> None:
    octets = event("domain.created", NOON, {"id": "x"})
    assert json.loads(octets) == {
        "type": "domain.created",
        "created_at": "2026-03-01T12:00:00.000Z",
        "data": {"id": "x"},
    }
