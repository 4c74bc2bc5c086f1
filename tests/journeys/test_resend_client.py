"""The official Resend client works by changing a URL."""

import pytest
import resend

from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office


@pytest.fixture
def client(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{office.port}")
    monkeypatch.setattr(resend, "api_key", KEY)


@pytest.mark.usefixtures("client")
def test_it_sends_and_reads_a_letter(office: Office, destination: Destination) -> None:
    sent = resend.Emails.send(
        {
            "from": "Acme <onboarding@example.org>",
            "to": ["client@resend.example.net"],
            "subject": "hello world",
            "html": "<strong>it works!</strong>",
            "attachments": [{"filename": "invoice.txt", "content": list(b"42 coins")}],
            "tags": [{"name": "category", "value": "welcome"}],
        }
    )
    office.wait_for(sent["id"], "delivered")
    email = resend.Emails.get(sent["id"])
    assert email["last_event"] == "delivered"
    assert email["to"] == ["client@resend.example.net"]
    assert b"NDIgY29pbnM=" in destination.letters_to("client@resend.example.net")[0].content


@pytest.mark.usefixtures("client")
def test_its_errors_come_out_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(resend.exceptions.ResendError, match=r"`to` field.*`subject` field"):
        resend.Emails.send({"from": "a@example.org", "text": "x"})  # type: ignore[typeddict-item]  # that is the point
    monkeypatch.setattr(resend, "api_key", "pr_wrong")
    with pytest.raises(resend.exceptions.InvalidApiKeyError):
        resend.Emails.get("5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57")
