"""Letters go where DNS says, and nowhere else: the house asks Unbound, and the destination stands at 127.0.0.1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually
from tests.servers.unbound import Unbound, Zone

ZONE = """
@         MX    20 here
@         MX    10 nobody-listens
here      A     127.0.0.1
nobody-listens A 127.0.0.9
alias     MX    10 by-alias
by-alias  CNAME here
alone     A     127.0.0.1
null      MX    0 .
empty     TXT   "no mail"
forged    MX    10 here
inside    MX    10 metadata
metadata  A     169.254.169.254
metadata  AAAA  ::ffff:10.1.2.3
ours      MX    10 client.example.org.
ours      MX    20 here
"""


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unbound]:
    if absent := Unbound.missing():
        pytest.skip(absent)
    zone = Zone(origin="mx.example", records=ZONE, signed=True, bogus=(("forged", "MX"),))
    with Unbound(tmp_path_factory.mktemp("unbound"), [zone]) as running:
        yield running


@pytest.fixture(scope="module")
def house(destination: Destination, unbound: Unbound, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    house = Office(
        tmp_path_factory.mktemp("house") / "data",
        destination.port,
        POSTROOM_ROUTES='[[route]]\nvia = "mx"',
        POSTROOM_RESOLVERS=unbound.resolvers,
        POSTROOM_SMTP_PORT=str(destination.port),
    )
    house.start()
    yield house
    assert house.stop() == 0


def bob(house: Office, id_: str) -> dict[str, Any]:
    recipient: dict[str, Any] = house.email(id_)["recipients"][0]
    return recipient


@pytest.mark.parametrize(
    ("domain", "mx"),
    [("mx.example", "here"), ("alias.mx.example", "by-alias"), ("alone.mx.example", "alone")],
    ids=["the second of two hosts", "an alias", "no MX"],
)
def test_a_letter_finds_its_server(house: Office, destination: Destination, domain: str, mx: str) -> None:
    id_ = house.send(f"bob@{domain}")
    house.wait_for(id_, "delivered")
    assert len(destination.letters_to(f"bob@{domain}")) == 1
    assert house.attempts(id_)[-1]["mx"] == f"{mx}.mx.example"


@pytest.mark.parametrize(
    ("domain", "code", "cause"),
    [
        ("null.mx.example", "5.1.10", "null_mx"),
        ("empty.mx.example", "5.1.2", "no_such_domain"),
        ("nowhere.mx.example", "5.1.2", "no_such_domain"),
    ],
)
def test_a_domain_that_takes_no_mail_bounces_at_once(house: Office, domain: str, code: str, cause: str) -> None:
    id_ = house.send(f"bob@{domain}")
    house.wait_for(id_, "bounced")
    assert (bob(house, id_)["enhanced_code"], bob(house, id_)["cause"]) == (code, cause)
    assert len(house.attempts(id_)) == 1


@pytest.mark.parametrize(
    ("domain", "cause"),
    [("forged.mx.example", "dns"), ("inside.mx.example", "forbidden_address"), ("ours.mx.example", "loop")],
)
def test_what_dns_cannot_vouch_for_or_may_not_name_is_tried_again(house: Office, domain: str, cause: str) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()  # it mustn't be tried beside the tests that follow
    id_ = house.send(f"bob@{domain}", delivery={"expires_at": soon})
    eventually(lambda: len(house.attempts(id_)) >= 2)
    assert bob(house, id_)["cause"] == cause
    assert {attempt["outcome"] for attempt in house.attempts(id_)} == {"deferred"}


def test_many_letters_to_a_domain_ask_for_it_once_a_process(house: Office, unbound: Unbound) -> None:
    letters = [house.send(f"r{number}@alone.mx.example") for number in range(20)]
    for id_ in letters:
        house.wait_for(id_, "delivered")
    asked = {kind: count for (name, kind), count in unbound.asked().items() if name == "alone.mx.example"}
    assert set(asked) == {"MX", "A", "AAAA"}
    assert max(asked.values()) <= (os.cpu_count() or 1)  # as many workers has the house
