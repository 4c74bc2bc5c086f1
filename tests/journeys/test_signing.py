"""Letters from a domain with a key are signed; letters from a domain that isn't verified are refused."""

import dkim

from tests.journeys.destination import Destination
from tests.journeys.office import Office


def test_a_signature_verifies_and_stays_the_same_over_a_retry(office: Office, destination: Destination) -> None:
    printed = office.run("domains", "add", "signed.example.org")
    name, _, record = printed.strip().splitlines()[-1].partition("  ")
    assert name == "postroom._domainkey.signed.example.org"
    destination.data["bob@sign.example.net"].append("451 4.3.0 not now")
    id_ = office.send("bob@sign.example.net", **{"from": "alice@signed.example.org", "reply_to": "x@example.org"})
    office.wait_for(id_, "delivered")
    (letter,) = destination.letters_to("bob@sign.example.net")

    def dns(asked: bytes, timeout: int = 5) -> bytes:  # noqa: ARG001  dkimpy's signature
        assert asked.decode().rstrip(".") == name
        return record.encode()

    assert dkim.verify(letter.content, dnsfunc=dns)
    assert not dkim.verify(letter.content.replace(b"hello", b"goodbye"), dnsfunc=dns)
    said = [line["line"] for attempt in office.attempts(id_) for line in attempt["transcript"]]
    contents = [line for line in said if "sha256" in line]
    assert len(contents) == 2
    assert len(set(contents)) == 1


def test_an_unverified_domain_is_refused_and_nothing_is_stored(office: Office) -> None:
    before = [each["id"] for each in office.request("GET", "/emails")[1]["data"]]
    letter = {"from": "alice@elsewhere.example.org", "to": "b@example.net", "subject": "x", "text": "x"}
    status, error = office.request("POST", "/emails", letter)
    assert (status, error["name"]) == (403, "validation_error")
    assert "elsewhere.example.org domain is not verified" in error["message"]
    assert [each["id"] for each in office.request("GET", "/emails")[1]["data"]] == before
