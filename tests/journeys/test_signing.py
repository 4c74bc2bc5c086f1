"""Letters from a domain with a key are signed; letters from a domain that isn't verified are refused."""

from collections.abc import Iterator

import dkim
import pytest

from tests.journeys.deployments import Home
from tests.journeys.destination import Destination
from tests.journeys.office import Office


@pytest.fixture(scope="module")
def strict(home: Home, destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A house that takes only verified senders."""
    with home() as place:
        house = Office(tmp_path_factory.mktemp("strict"), destination.port, place, POSTROOM_VERIFIED_SENDERS="required")
        house.start()
        yield house
        assert house.stop() == 0


def test_a_signature_verifies_and_stays_the_same_over_a_retry(strict: Office, destination: Destination) -> None:
    printed = strict.run("domains", "add", "signed.example.org")
    name, _, record = printed.strip().splitlines()[-1].partition("  ")
    assert name == "postroom._domainkey.signed.example.org"
    destination.data.append("451 4.3.0 not now")
    id_ = strict.send("bob@sign.example.net", **{"from": "alice@signed.example.org", "reply_to": "x@example.org"})
    strict.wait_for(id_, "delivered")
    (letter,) = destination.letters_to("bob@sign.example.net")

    def dns(asked: bytes, timeout: int = 5) -> bytes:  # noqa: ARG001  dkimpy's signature
        assert asked.decode().rstrip(".") == name
        return record.encode()

    assert dkim.verify(letter.content, dnsfunc=dns)
    assert not dkim.verify(letter.content.replace(b"hello", b"goodbye"), dnsfunc=dns)
    said = [line["line"] for attempt in strict.attempts(id_) for line in attempt["transcript"]]
    contents = [line for line in said if "sha256" in line]
    assert len(contents) == 2
    assert len(set(contents)) == 1


def test_an_unverified_domain_is_refused_and_nothing_is_stored(strict: Office) -> None:
    before = strict.request("GET", "/emails")
    letter = {"from": "alice@elsewhere.example.org", "to": "b@example.net", "subject": "x", "text": "x"}
    status, error = strict.request("POST", "/emails", letter)
    assert (status, error["name"]) == (403, "validation_error")
    assert "elsewhere.example.org domain is not verified" in error["message"]
    assert strict.request("GET", "/emails") == before
