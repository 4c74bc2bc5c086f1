"""Resend's client for Node works in each of its major versions by changing a URL."""

from typing import Any

import pytest

from tests.clients import whole
from tests.clients.node import VERSIONS, Call, buffer, called, missing
from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

NOBODY = "5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57"


def letter(version: int, to: str) -> dict[str, Any]:
    """The whole letter as this version wants it said: from the fourth on in camel case, which it translates itself."""
    asked = whole.letter(to)
    note, picture = asked["attachments"][1:]
    note["content"] = buffer(whole.NOTE)
    picture["content"] = buffer(whole.PICTURE)
    if version >= 4:
        asked["replyTo"] = asked.pop("reply_to")
        inline = "contentId" if version >= 6 else "inlineContentId"
        for file in (note, picture):
            file["contentType"] = file.pop("content_type")
        picture[inline] = picture.pop("content_id")
    return asked


def test_every_version_sends_reads_and_lists(office: Office, destination: Destination) -> None:
    calls: list[Call] = []
    for version in VERSIONS:
        calls += [
            Call(version, KEY, "emails.send", [letter(version, f"v{version}@node.example.net")]),
            Call(version, KEY, "emails.get", [{"$id": len(calls)}]),
        ]
    answers = called(f"http://127.0.0.1:{office.port}", calls)
    assert [each["error"] for each in answers] == [None] * len(calls)
    for version, sent, read in zip(VERSIONS, answers[::2], answers[1::2], strict=True):
        to = f"v{version}@node.example.net"
        office.wait_for(sent["data"]["id"], *["delivered"] * 4)
        assert read["data"]["id"] == sent["data"]["id"]
        assert read["data"]["to"][0] == f"Ünal <{to}>"
        assert office.email(sent["data"]["id"])["tags"] == whole.letter(to)["tags"]
        whole.check(destination, to)


def test_every_version_sends_batches(office: Office, destination: Destination) -> None:
    def batch(version: int) -> list[dict[str, Any]]:
        recipients = (f"{name}.v{version}@batch.node.example.net" for name in ("one", "two"))
        return [{"from": "alice@example.org", "to": to, "subject": to, "html": f"<p>{to}"} for to in recipients]

    calls = [Call(version, KEY, "batch.send", [batch(version)]) for version in VERSIONS]
    answers = called(f"http://127.0.0.1:{office.port}", calls)
    assert [each["error"] for each in answers] == [None] * len(calls)
    for version, answer in zip(VERSIONS, answers, strict=True):
        for asked, each in zip(batch(version), answer["data"]["data"], strict=True):
            office.wait_for(each["id"], "delivered")
            (taken,) = destination.letters_to(asked["to"])
            assert whole.parsed(taken.content)["Subject"] == asked["to"]


def test_the_newest_version_has_permissive_batches(office: Office) -> None:
    good = {"from": "alice@example.org", "to": "p@batch.node.example.net", "subject": "x", "text": "x"}
    strict, permissive = called(
        f"http://127.0.0.1:{office.port}",
        [
            Call(VERSIONS[-1], KEY, "batch.send", [[good, good | {"to": 7}], options])
            for options in ({}, {"batchValidation": "permissive"})
        ],
    )
    assert strict["error"]["name"] == "validation_error"
    assert "Invalid `[1].to` field" in strict["error"]["message"]
    ((sent,), (refused,)) = permissive["data"]["data"], permissive["data"]["errors"]
    assert (refused["index"], permissive["error"]) == (1, None)
    assert "`to` field" in refused["message"]
    office.wait_for(sent["id"], "delivered")


def test_those_that_know_of_it_schedule_a_letter_move_it_and_cancel_it(office: Office) -> None:
    versions = [version for version in VERSIONS if version >= 4]
    calls: list[Call] = []
    for version in versions:
        sent, to = len(calls), f"v{version}@later.node.example.net"
        asked = {"from": "alice@example.org", "to": to, "subject": "x", "text": "x", "scheduledAt": "in 1 min"}
        calls += [
            Call(version, KEY, "emails.send", [asked]),
            Call(version, KEY, "emails.update", [{"id": {"$id": sent}, "scheduledAt": "in 40 days"}]),
            Call(version, KEY, "emails.update", [{"id": {"$id": sent}, "scheduledAt": "tomorrow at 9am"}]),
            Call(version, KEY, "emails.cancel", [{"$id": sent}]),
            Call(version, KEY, "emails.get", [{"$id": sent}]),
        ]
    answers = iter(called(f"http://127.0.0.1:{office.port}", calls))
    for _, (sent, too_far, moved, canceled, read) in zip(versions, zip(*[answers] * 5, strict=True), strict=True):
        id_ = sent["data"]["id"]
        assert too_far["error"]["message"].startswith("Invalid `scheduled_at` field: ")
        assert too_far["error"]["message"].endswith(" lies more than 30 days ahead.")
        assert (moved["data"]["id"], canceled["data"]["id"]) == (id_, id_)
        assert read["data"]["last_event"] == "canceled"
        assert read["data"]["scheduled_at"].endswith("T09:00:00.000Z")


def test_every_version_shows_our_errors_as_its_own(office: Office) -> None:
    bad = {"from": "alice@example.org", "subject": "x", "text": "x"}
    stranger = bad | {"from": "alice@stranger.example", "to": "x@node.example.net"}
    asked: list[tuple[str, str, list[Any], str, str]] = [
        (KEY, "emails.send", [bad], "missing_required_field", "Missing `to` field."),
        (KEY, "emails.send", [bad | {"to": 7}], "validation_error", "Invalid `to` field"),
        (
            KEY,
            "emails.send",
            [bad | {"to": "x@node.example.net", "attachments": [{}]}],
            "invalid_attachment",
            "content",
        ),
        (KEY, "emails.send", [stranger], "validation_error", "stranger.example"),
        (KEY, "emails.get", [NOBODY], "not_found", "There is no email with this id."),
        (KEY, "contacts.list", [{"audienceId": NOBODY}], "not_found", "There is nothing at this path."),
        ("pr_wrong", "emails.get", [NOBODY], "invalid_api_key", "API key is invalid"),
    ]
    calls = [Call(version, key, call, args) for version in VERSIONS for key, call, args, _, _ in asked]
    answers = called(f"http://127.0.0.1:{office.port}", calls)
    for call, answer, (_, _, _, name, message) in zip(calls, answers, asked * len(VERSIONS), strict=True):
        assert answer["data"] is None, call
        assert answer["error"]["name"] == name, call
        assert message in answer["error"]["message"], call


def test_the_newest_version_lists_and_has_idempotency_keys(office: Office) -> None:
    newest = VERSIONS[-1]
    asked = {"from": "alice@example.org", "to": "k@node.example.net", "subject": "x", "text": "x"}
    options = {"idempotencyKey": f"node-{office.place.home}"}
    once, again, other, listed = called(
        f"http://127.0.0.1:{office.port}",
        [
            Call(newest, KEY, "emails.send", [asked, options]),
            Call(newest, KEY, "emails.send", [asked, options]),
            Call(newest, KEY, "emails.send", [asked | {"text": "y"}, options]),
            Call(newest, KEY, "emails.list", [{"limit": 1}]),
        ],
    )
    assert once == again
    assert (other["error"]["statusCode"], other["error"]["name"]) == (409, "invalid_idempotent_request")
    assert len(listed["data"]["data"]) == 1
    office.wait_for(once["data"]["id"], "delivered")
