"""Letters from a domain with a key are signed; letters from a domain that isn't verified are refused."""

from pathlib import Path

import dkim
import pytest

from tests.journeys.destination import Destination
from tests.journeys.office import Office


@pytest.fixture
def strict(folder: Path, destination: Destination) -> Office:
    """A house that takes only verified senders."""
    return Office(folder, destination.port, POSTROOM_VERIFIED_SENDERS="required")


def test_a_signature_verifies_and_stays_the_same_over_a_retry(strict: Office, destination: Destination) -> None:
    printed = strict.run("domains", "add", "signed.example.org")
    name, _, record = printed.strip().splitlines()[-1].partition("  ")
    assert name == "postroom._domainkey.signed.example.org"
    destination.data.append("451 4.3.0 not now")
    strict.start()
    try:
        id_ = strict.send("bob@sign.example.net", **{"from": "alice@signed.example.org", "reply_to": "x@example.org"})
        strict.wait_for(id_, "delivered")
    finally:
        assert strict.stop() == 0
    (letter,) = destination.letters_to("bob@sign.example.net")

    def dns(asked: bytes, timeout: int = 5) -> bytes:  # noqa: ARG001  dkimpy's signature
        assert asked.decode().rstrip(".") == name
        return record.encode()

    assert dkim.verify(letter.content, dnsfunc=dns)
    assert not dkim.verify(letter.content.replace(b"hello", b"goodbye"), dnsfunc=dns)
    attempts = [line["line"] for line in strict_transcripts(strict, id_) if "sha256" in line["line"]]
    assert len(attempts) == 2
    assert len(set(attempts)) == 1


def strict_transcripts(office: Office, id_: str) -> list[dict[str, str]]:
    office.start()
    try:
        return [line for attempt in office.attempts(id_) for line in attempt["transcript"]]
    finally:
        office.stop()


def test_an_unverified_domain_is_refused_and_nothing_is_stored(strict: Office) -> None:
    strict.start()
    try:
        letter = {"from": "alice@elsewhere.example.org", "to": "b@example.net", "subject": "x", "text": "x"}
        status, error = strict.request("POST", "/emails", letter)
        assert (status, error["name"]) == (403, "validation_error")
        assert "elsewhere.example.org domain is not verified" in error["message"]
        assert strict.request("GET", "/emails")[1]["data"] == []
    finally:
        assert strict.stop() == 0
