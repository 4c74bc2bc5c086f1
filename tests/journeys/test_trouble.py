"""A destination that refuses, stalls or talks nonsense leaves a recorded attempt and a later one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.journeys.deployments import Home
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually
from tests.journeys.trouble import TROUBLES


def test_a_server_that_never_gets_to_mail_is_tried_again(office: Office) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()  # for the tests that follow they must come to an end
    letters = {domain: office.send(f"bob@{domain}", delivery={"expires_at": soon}) for domain in TROUBLES}
    for domain, id_ in letters.items():
        eventually(lambda id_=id_: len(office.attempts(id_)) >= 2, 20, lambda domain=domain: domain)  # type: ignore[misc]
        (bob,) = office.email(id_)["recipients"]
        assert bob["status"] in ("deferred", "sending"), domain
        assert bob["cause"] == TROUBLES[domain].cause, domain
        assert {attempt["outcome"] for attempt in office.attempts(id_)} == {"deferred"}, domain
        assert all(attempt["note"] for attempt in office.attempts(id_)), domain


def test_what_grows_too_old_expires(office: Office) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    id_ = office.send("bob@gone.example", delivery={"expires_at": soon.isoformat()})
    (bob,) = office.wait_for(id_, "expired")["recipients"]
    assert bob["cause"] == "connection_refused"
    assert office.email(id_)["last_event"] == "bounced"


def test_a_letter_waits_for_its_destination_across_a_restart(home: Home, folder: Path) -> None:
    destination = Destination()
    with home() as place:
        office = Office(folder, destination.port, place)
        office.start()
        id_ = office.send("bob@example.net")
        eventually(lambda: len(office.attempts(id_)) >= 1)
        assert office.attempts(id_)[0]["note"] == f"127.0.0.1:{destination.port}: Connection refused"
        assert office.stop() == 0
        destination.start()
        try:
            office.start()
            assert office.wait_for(id_, "delivered", seconds=30)["recipients"][0]["attempts"] >= 2
        finally:
            assert office.stop() == 0
            destination.stop()
