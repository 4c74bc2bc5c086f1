"""What is old goes by itself, in every home; what still waits for somebody stays."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.deployments import Home
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually


def test_a_letter_goes_after_its_time(home: Home, destination: Destination, folder: Path) -> None:
    with home() as place:
        house = Office(folder, destination.port, place, POSTROOM_RETENTION="2s", POSTROOM_SWEEP_AFTER="500ms")
        house.start()
        destination.rcpt["late@old.example.net"] += ["450 4.2.0 not now"] * 500
        waiting = house.send("late@old.example.net")
        done = house.send("bob@old.example.net", text="x" * 300_000)
        eventually(lambda: house.request("GET", f"/emails/{done}")[0] == 404, 30)
        assert house.request("GET", f"/emails/{done}/attempts")[0] == 404
        assert house.email(waiting)["last_event"] in ("delivery_delayed", "queued")
        assert [each["id"] for each in house.request("GET", "/emails")[1]["data"]] == [waiting]
        assert len(destination.letters_to("bob@old.example.net")) == 1
        assert house.stop() == 0
