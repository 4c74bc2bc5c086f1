"""The official Resend client for Python works by changing a URL, be it called or awaited."""

from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import pytest
import resend

from tests.clients import whole
from tests.clients.python import Called, Client
from tests.journeys.destination import Destination
from tests.journeys.files import FileServer
from tests.journeys.office import Office


@pytest.fixture
def emails(client: Client) -> Callable[[str], Called]:
    return lambda name: client(resend.Emails, name)


@pytest.fixture
def to(request: pytest.FixtureRequest) -> str:
    """A recipient of this test's own."""
    return f"{request.node.name.replace('[', '-').rstrip(']')}@resend.example.net"


def test_all_that_a_letter_can_say_arrives(
    office: Office, destination: Destination, emails: Callable[[str], Called], to: str
) -> None:
    sent = emails("send")(whole.letter(to))
    office.wait_for(sent["id"], *["delivered"] * 4)
    whole.check(destination, to)
    email = emails("get")(sent["id"])
    assert email["last_event"] == "delivered"
    assert email["to"] == [f"Ünal <{to}>", f"second.{to}"]
    assert (email["subject"], email["text"], email["html"]) == (whole.SUBJECT, whole.TEXT, whole.HTML)
    assert email["tags"] == whole.letter(to)["tags"]
    listed = emails("list")({"limit": 100})
    assert sent["id"] in [each["id"] for each in listed["data"]]


BODIES: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "text": ({"html": ...}, [("text/plain", whole.TEXT)]),
    "html": ({"text": ...}, [("text/plain", "Hallo Ünal 🎉"), ("text/html", whole.HTML)]),  # the text is made from it
    "html_alone": ({"text": ""}, [("text/html", whole.HTML)]),
}


@pytest.mark.parametrize("given", BODIES)
def test_one_body_is_enough(
    office: Office, destination: Destination, emails: Callable[[str], Called], to: str, given: str
) -> None:
    bare = {"cc": ..., "bcc": ..., "headers": ..., "attachments": ..., "to": to, "reply_to": "help@example.org"}
    asked, expected = BODIES[given]
    sent = emails("send")(whole.letter(to, **bare | asked))
    office.wait_for(sent["id"], "delivered")
    (taken,) = destination.letters_to(to)
    parts = [part for part in whole.parsed(taken.content).walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == [kind for kind, _ in expected]
    for part, (_, said) in zip(parts, expected, strict=True):
        assert part.get_content().splitlines() == said.splitlines()


def test_a_key_makes_a_repeat_the_same_letter(office: Office, emails: Callable[[str], Called], to: str) -> None:
    letter = {"from": "alice@example.org", "to": to, "subject": "once", "text": "once"}
    options = {"idempotency_key": to}
    sent = emails("send")(letter, options)
    assert emails("send")(letter, options)["id"] == sent["id"]
    with pytest.raises(resend.exceptions.ResendError) as caught:
        emails("send")(letter | {"text": "other"}, options)
    assert (caught.value.code, caught.value.error_type) == (409, "invalid_idempotent_request")
    office.wait_for(sent["id"], "delivered")


def test_a_batch(office: Office, destination: Destination, client: Client, to: str) -> None:
    recipients = [f"{name}.{to}" for name in ("one", "two", "three")]
    batch: list[dict[str, Any]] = [
        {"from": "alice@example.org", "to": each, "subject": each, "text": each} for each in recipients
    ]
    batch[1]["attachments"] = [{"filename": "note.txt", "content": list(whole.NOTE)}]
    batch.append(batch[0] | {"subject": 7})
    answered = client(resend.Batch, "send")(batch, {"batch_validation": "permissive"})
    assert [each["index"] for each in answered["errors"]] == [3]
    for sent, each in zip(answered["data"], recipients, strict=True):
        office.wait_for(sent["id"], "delivered")
        (taken,) = destination.letters_to(each)
        message = whole.parsed(taken.content)
        assert message["Subject"] == each
        assert [part.get_payload(decode=True) for part in message.iter_attachments()] == (
            [whole.NOTE] if each == recipients[1] else []
        )
    with pytest.raises(resend.exceptions.ValidationError, match=r"Invalid `\[3\].subject` field"):
        client(resend.Batch, "send")(batch)


def test_a_scheduled_letter_is_moved_and_canceled(
    destination: Destination, emails: Callable[[str], Called], to: str
) -> None:
    letter = {"from": "alice@example.org", "to": to, "subject": "later", "text": "later", "scheduled_at": "in 1 min"}
    id_ = emails("send")(letter)["id"]
    assert emails("get")(id_)["last_event"] == "scheduled"
    changed = emails("update")({"id": id_, "scheduled_at": "tomorrow at 9am"})
    assert (changed["object"], changed["id"]) == ("email", id_)
    assert emails("get")(id_)["scheduled_at"].endswith("T09:00:00.000Z")
    canceled = emails("cancel")(id_)
    assert (canceled["object"], canceled["id"]) == ("email", id_)
    assert emails("get")(id_)["last_event"] == "canceled"
    with pytest.raises(resend.exceptions.ResendError, match="Only a scheduled email"):
        emails("update")({"id": id_, "scheduled_at": "in 1 hour"})
    assert destination.letters_to(to) == []


def test_a_file_is_fetched_for_it_and_can_be_read_back(
    office: Office, destination: Destination, files: FileServer, client: Client, to: str
) -> None:
    files.files["/report.txt"] = (b"all is well", "text/plain")
    file = {"path": files.url("/report.txt"), "filename": "Report.txt"}
    letter = {"from": "alice@example.org", "to": to, "subject": "files", "text": "files", "attachments": [file]}
    sent = client(resend.Emails, "send")(letter)
    office.wait_for(sent["id"], "delivered")
    assert b'filename="Report.txt"' in destination.letters_to(to)[0].content
    listed = client(resend.Emails.Attachments, "list")(sent["id"])
    (found,) = listed["data"]
    assert (listed["has_more"], found["filename"], found["size"]) == (False, "Report.txt", 11)
    again = client(resend.Emails.Attachments, "get")(sent["id"], found["id"])
    assert again["content_type"] == "text/plain"
    with urlopen(again["download_url"]) as answer:  # noqa: S310  it is our own
        assert answer.read() == b"all is well"


def test_our_errors_come_out_as_its_own(emails: Callable[[str], Called], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(resend.exceptions.MissingRequiredFieldsError, match=r"`to` field.*`subject` field"):
        emails("send")({"from": "a@example.org", "text": "x"})
    with pytest.raises(resend.exceptions.ValidationError, match="`to` field"):
        emails("send")({"from": "a@example.org", "text": "x", "subject": "x", "to": 7})
    with pytest.raises(resend.exceptions.ResendError, match="no email") as caught:
        emails("get")("5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57")
    assert (caught.value.code, caught.value.error_type) == (404, "not_found")
    monkeypatch.setattr(resend, "api_key", "pr_wrong")
    with pytest.raises(resend.exceptions.InvalidApiKeyError):
        emails("get")("5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57")
