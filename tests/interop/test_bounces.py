"""Real servers report: what they took and couldn't hand on comes back to the signed return path, and is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trustme

from postroom.internet.wire import SmtpWire
from postroom.smtp.verdict import Fate
from tests.api.office import FULL, Office
from tests.api.test_bounces import delivered
from tests.interop.town import PLAIN, carry, mail, target
from tests.journeys.destination import Destination
from tests.journeys.office import eventually
from tests.servers.relays import EximRelay, PostfixRelay, Relay
from tests.servers.server import Certificate, Host


@pytest.fixture(scope="module")
def destination() -> Iterator[Destination]:
    server = Destination()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=[EximRelay, PostfixRelay], ids=lambda kind: kind.name)
def relay(request: pytest.FixtureRequest, authority: trustme.CA, destination: Destination) -> Iterator[Relay]:
    kind: type[Relay] = request.param
    if absent := kind.missing():
        pytest.skip(absent)
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        certificate = Certificate.issue(authority, PLAIN)
        with kind(Path(folder), Host(address=PLAIN), certificate, destination.port) as running:
            yield running


def test_what_the_next_server_refuses_is_bounced_by_the_relay_and_read_here(
    relay: Relay, destination: Destination, wire: SmtpWire, domain: str
) -> None:
    destination.forget()
    office = Office(return_path_domain="bounces.shop.example")
    domain = domain.removesuffix(".net")  # the office has routes for .example
    nobody, there, full = (f"{name}@{domain}" for name in ("nobody", "there", "full"))
    destination.rcpt[nobody].append("550 5.1.1 no such user here")
    destination.rcpt[full].append("552 5.2.2 mailbox is full")
    id_ = delivered(office, to=[nobody, there, full])
    return_path = office.submissions.stored[id_].return_path
    (sent,) = carry(wire, target(relay, PLAIN), [mail(nobody, there, full, sender=return_path)])
    assert sent.fates == [Fate.ACCEPTED] * 3

    heard: dict[str, Any] = {}

    def bounced() -> bool:
        for report in destination.letters_to(return_path):
            answered = office.client.post("/bounces", data=report.content, headers={"Authorization": f"Bearer {FULL}"})
            assert answered.status_code == 200, answered.text
            answer: Any = answered.json
            assert (answer["outcome"], answer["email_id"], answer["signed"]) == ("read", id_, True), report.content
            heard.update({each["address"]: each["status"] for each in answer["recipients"]})
        return heard == {nobody: "bounced", full: "bounced"}

    eventually(bounced, 20, lambda: (heard, [each.content for each in destination.letters]))
    found: Any = office.get(f"/emails/{id_}").json
    states = {each["address"]: (each["status"], each["code"], each["cause"]) for each in found["recipients"]}
    assert states == {
        nobody: ("bounced", 550, "no_such_mailbox"),
        there: ("delivered", 250, None),
        full: ("bounced", 552, "mailbox_full"),
    }
    assert office.get(f"/suppressions/{nobody}").json["origin"] == "bounce"  # type: ignore[index]
    assert office.get(f"/suppressions/{full}").status_code == 404
