"""The whole way once: from POST /emails through the house's own processes to Exim, and back to the status."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import dkim
import pytest

from tests.interop.town import TLS
from tests.journeys.office import Office
from tests.servers.exim import Exim
from tests.servers.server import NOBODY, Server


@pytest.mark.parametrize("server", [Exim], indirect=True, ids=["exim"])
def test_a_letter_goes_from_the_api_to_exim_and_its_status_back(
    server: Server, roots: str, domain: str, tmp_path: Path
) -> None:
    routes = f'[[route]]\nname = "exim"\nvia = "smtp://{TLS}:{server.port}"\ntls = "verify"\n'
    office = Office(tmp_path, server.port, POSTROOM_ROUTES=routes, POSTROOM_CA_FILE=roots)
    name, _, record = office.run("domains", "add", "example.org").strip().splitlines()[-1].partition("  ")
    office.start()
    try:
        id_ = office.send([f"bob@{domain}", f"{NOBODY}@{domain}"], text=".\n.dotted\n")
        email = office.wait_for(id_, "delivered", "bounced")
        (attempt,) = office.attempts(id_)
    finally:
        assert office.stop() == 0

    assert [each["code"] for each in email["recipients"]] == [250, 550]
    assert attempt["round_trips"] == 1
    assert (attempt["tls"]["version"], attempt["tls"]["verified"]) == ("TLSv1.3", True)
    (taken,) = server.letters_to(domain)
    assert (taken.sender, taken.recipients) == ("alice@example.org", (f"bob@{domain}",))
    said = " ".join(line["line"] for line in attempt["transcript"])
    assert f"({len(taken.octets)} octets, sha256 {sha256(taken.octets).hexdigest()})" in said

    def dns(asked: bytes, timeout: int = 5) -> bytes:  # noqa: ARG001  dkimpy's signature
        assert asked.decode().rstrip(".") == name
        return record.encode()

    assert dkim.verify(taken.octets, dnsfunc=dns)
