"""A destination that takes connections and never says a word: the others' letters go on, and its own wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from postroom import wiring
from postroom.delivery.health import Health
from postroom.ports import Directory
from postroom.settings import Settings
from tests.homes.gate import Gate
from tests.journeys.deployments import Home
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually

ROUTES = """
[[route]]
name = "asleep"
match = "asleep.example"
via = "smtp://{asleep}"

[[route]]
name = "awake"
via = "smtp://127.0.0.1:{awake}"
"""


@pytest.fixture(scope="module")
def gate(destination: Destination) -> Iterator[Gate]:
    """What stands before the destination's second name. Behind it, nobody is heard while it is shut."""
    with Gate(f"127.0.0.1:{destination.port}") as between:
        yield between


@pytest.fixture(scope="module")
def office(
    home: Home, destination: Destination, gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    with home() as place:
        house = Office(
            tmp_path_factory.mktemp("resting"),
            destination.port,
            place,
            POSTROOM_ROUTES=ROUTES.format(asleep=gate.address, awake=destination.port),
            POSTROOM_TIMEOUTS="connect=400ms,greeting=400ms,command=5s",
            POSTROOM_RETRY_SCHEDULE="300ms",
        )
        house.start()
        yield house
        assert house.stop() == 0


@pytest.fixture
def directory(office: Office, monkeypatch: pytest.MonkeyPatch) -> Directory:
    for name, value in office.environment.items():
        monkeypatch.setenv(name, value)
    return wiring.home(Settings.from_environment()).directory


def test_a_dead_destination_rests_while_the_others_letters_go_on(
    office: Office, destination: Destination, gate: Gate, directory: Directory
) -> None:
    def rests_until() -> datetime:
        stored = directory.get("health", f"asleep/{gate.address}")
        return Health.from_record(stored or {}).resting_until or datetime.now(UTC)

    gate.shut()
    asleep = [office.send(f"{number}@asleep.example") for number in range(5)]
    awake = [office.send(f"{number}@awake.example") for number in range(5)]
    for id_ in awake:
        office.wait_for(id_, "delivered", seconds=10)
    (first,) = office.email(asleep[0])["recipients"]
    assert first["status"] in ("queued", "sending", "deferred")

    eventually(lambda: rests_until() - datetime.now(UTC) > timedelta(seconds=1), 20)
    came, until, guests = gate.guests, rests_until(), set[int]()
    fresh = office.send("fresh@asleep.example")

    def over() -> bool:
        found = gate.guests
        if datetime.now(UTC) < until:
            guests.add(found)
        return datetime.now(UTC) >= until

    office.wait_for(office.send("6@awake.example"), "delivered", seconds=10)
    eventually(over, 10)
    assert guests <= {came}, "nobody is asked while it rests"
    assert office.attempts(asleep[0])[0]["outcome"] == "deferred"
    for id_ in asleep:
        (recipient,) = office.email(id_)["recipients"]
        assert (recipient["status"], recipient["cause"]) in (
            ("deferred", "connection_lost"),
            ("queued", None),  # it came when the others had found out
            ("sending", None),
            ("sending", "connection_lost"),
        )

    gate.open()
    for id_ in (*asleep, fresh):
        office.wait_for(id_, "delivered", seconds=20)
    eventually(lambda: directory.list("health") == directory.list("slot") == [], 5)
    assert len(destination.letters_to("fresh@asleep.example")) == 1
