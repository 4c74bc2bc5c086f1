"""Many letters go in one session, and the round trips that each costs are those of its mode."""

from __future__ import annotations

import pytest

from postroom.internet.wire import SmtpWire
from postroom.smtp.verdict import Fate
from tests.interop.town import NOTHING, PIPELINING, PLAIN, carry, goodbyes, mail, target
from tests.servers.server import Server


@pytest.mark.parametrize("depth", [1, 4])
def test_each_of_many_letters_arrives_once_and_in_one_session(
    server: Server, wire: SmtpWire, domain: str, depth: int
) -> None:
    mails = [mail(f"r{number}@{domain}", sender=f"s{number}@example.org") for number in range(25)]
    sent = carry(wire, target(server, PLAIN, depth=depth), mails)
    assert [each.mail for each in sent] == mails
    assert {fate for each in sent for fate in each.fates} == {Fate.ACCEPTED}
    arrived = {(each.sender, each.recipients, each.octets) for each in server.letters_to(domain)}
    assert arrived == {(each.sender, each.recipients, each.octets) for each in mails}
    assert len(server.letters_to(domain)) == 25
    assert goodbyes(sent) == 1


@pytest.mark.parametrize(
    ("address", "trips", "body"),
    [
        pytest.param(PLAIN, 1, "BDAT", id="in one flight"),
        pytest.param(PIPELINING, 2, "DATA", id="pipelined"),
        pytest.param(NOTHING, 5, "DATA", id="one by one"),
    ],
)
def test_a_letter_costs_the_round_trips_of_its_mode(
    server: Server, wire: SmtpWire, domain: str, address: str, trips: int, body: str
) -> None:
    if address == PLAIN and not server.chunking:
        trips, body = 2, "DATA"
    mails = [mail(f"bob@{domain}", f"eve@{domain}") for _ in range(3)]
    sent = carry(wire, target(server, address), mails)
    assert [each.carried.round_trips for each in sent] == [trips] * 3
    assert all(any(said.startswith(body) for said in each.said) for each in sent)


def test_letters_in_a_common_flight_cost_less_than_a_round_trip_each(
    server: Server, wire: SmtpWire, domain: str
) -> None:
    sent = carry(wire, target(server, PLAIN, depth=4), [mail(f"r{number}@{domain}") for number in range(9)])
    together = [each.carried.round_trips for each in sent]
    assert together == ([1] * 9 if server.chunking else [2] * 9)
    said = [line for each in sent for line in each.carried.transcript if line.text.startswith("MAIL")]
    assert len(said) == 9
    flights = {line.at_ms for line in said}
    assert len(flights) == (3 if server.chunking else 9)
