"""What becomes of a letter is told to the application that asked: signed, once for each recipient, in each home."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event as Moment
from typing import Any

import pytest

from tests.doubles.names import names
from tests.journeys.deployments import Home
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually
from tests.journeys.processes import kill
from tests.journeys.receiver import ZONE, Event, Receiver, receiving

ALL = (
    "email.sent",
    "email.scheduled",
    "email.delivered",
    "email.delivery_delayed",
    "email.bounced",
    "email.complained",
    "email.suppressed",
)
CACHE = 0.2  # seconds until every process knows of a webhook


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver") / "roots.pem") as application:
        yield application
        assert application.refused == []


@pytest.fixture(scope="module")
def office(
    home: Home, destination: Destination, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    with home() as place, names(ZONE) as resolver:
        house = Office(
            tmp_path_factory.mktemp("events"),
            destination.port,
            place,
            POSTROOM_RESOLVERS=resolver,
            POSTROOM_CA_FILE=str(receiver.roots),
            POSTROOM_TEST_DOMAIN="postroom.test",
            POSTROOM_WEBHOOK_RETRY_SCHEDULE="1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
            POSTROOM_SWEEP_AFTER="2s",
        )
        house.start()
        yield house
        assert house.stop() == 0


@pytest.fixture
def told(office: Office, receiver: Receiver, request: pytest.FixtureRequest) -> str:
    """The path of a webhook that is told everything of letters."""
    path = f"/{request.node.originalname}/{office.place.home}"
    receiver.listens(office, path, *ALL)
    time.sleep(2 * CACHE)  # what the house remembers can't be waited for otherwise
    return path


def types(events: list[Event], recipient: str) -> list[str]:
    """In the order in which they were told first: each may be told twice."""
    told = {each.id: each.type.removeprefix("email.") for each in events if each.recipient == recipient}
    return list(told.values())


def test_each_recipient_has_its_own_events(office: Office, receiver: Receiver, told: str) -> None:
    to = [f"{who}@postroom.test" for who in ("delivered", "bounced", "suppressed", "complained")]
    id_ = office.send(to)
    expected = {
        "delivered@postroom.test": ["sent", "delivered"],
        "bounced@postroom.test": ["sent", "bounced"],
        "suppressed@postroom.test": ["suppressed"],
        "complained@postroom.test": ["sent", "delivered", "complained"],
    }

    def heard() -> dict[str, list[str]]:
        events = receiver.events(told, id_)
        return {recipient: types(events, recipient) for recipient in expected}

    eventually(lambda: heard() == expected, 20, lambda: receiver.events(told, id_))
    bounced = next(each for each in receiver.events(told, id_) if each.type == "email.bounced")
    assert bounced.data["bounce"]["subType"] == "NoEmail"


def test_a_letter_that_is_put_off_until_it_is_too_old_bounces(office: Office, receiver: Receiver, told: str) -> None:
    expires = {"expires_at": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
    id_ = office.send("deferred@postroom.test", delivery=expires)
    expected = ["sent", "delivery_delayed", "bounced"]
    eventually(lambda: types(receiver.events(told, id_), "deferred@postroom.test") == expected, 30)
    assert receiver.events(told, id_)[-1].data["bounce"]["type"] == "Transient"


def test_a_scheduled_letter_is_told_of_at_once_and_when_it_is_sent(
    office: Office, receiver: Receiver, told: str
) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    id_ = office.send("ann@scheduled.example", scheduled_at=at)
    eventually(lambda: types(receiver.events(told, id_), "ann@scheduled.example") == ["scheduled"])
    eventually(lambda: types(receiver.events(told, id_), "ann@scheduled.example") == ["scheduled", "sent", "delivered"])


def test_an_application_that_fails_is_told_again_and_one_that_is_dead_keeps_nobody_waiting(
    office: Office, receiver: Receiver, told: str
) -> None:
    dead, gate = f"{told}/dead", Moment()
    receiver.answers[told] = iter([500, 500] + [200] * 1000).__next__
    receiver.answers[dead] = lambda: 200 if gate.wait(60) else 500
    receiver.listens(office, dead, "email.delivered")
    time.sleep(2 * CACHE)
    ids = [office.send(f"{number}@several.example") for number in range(5)]
    eventually(lambda: all(len(receiver.events(told, id_)) >= 2 for id_ in ids), 20)
    assert receiver.events(dead) == []
    gate.set()
    eventually(lambda: all(receiver.events(dead, id_) for id_ in ids), 30)
    eventually(lambda: sum(Counter(each.id for each in receiver.events(told)).values()) >= 12, 20)
    assert len({each.id for each in receiver.events(told)}) == 10


def test_a_kill_in_the_middle_loses_nothing(office: Office, receiver: Receiver, told: str) -> None:
    arrived = Moment()

    def slow() -> int:
        arrived.set()
        time.sleep(0.05)  # as long as an application takes
        return 200

    receiver.answers[told] = slow
    ids = [office.send(f"{number}@killed.example") for number in range(12)]
    assert arrived.wait(20)
    kill(office.folder, "notify")

    def missing() -> list[str]:
        both = {"email.sent", "email.delivered"}
        return [id_ for id_ in ids if {each.type for each in receiver.events(told, id_)} != both]

    eventually(lambda: not missing(), 60, missing)


def test_domains_and_the_suppression_list_are_told_of_as_well(office: Office, receiver: Receiver) -> None:
    path = f"/account/{office.place.home}"
    office.request("DELETE", "/suppressions/complained@postroom.test")  # who may have complained before
    receiver.listens(office, path, "domain.created", "domain.updated", "domain.deleted", "suppression.added")
    time.sleep(2 * CACHE)
    made = office.request("POST", "/domains", {"name": "told.example"})[1]
    office.request("PATCH", f"/domains/{made['id']}", {"tls": "enforced"})
    office.request("DELETE", f"/domains/{made['id']}")
    office.send("complained@postroom.test")
    office.request("POST", "/suppressions", {"email": "ann@told.example"})

    def told() -> dict[str, Any]:
        return {each.type: each.data for each in receiver.events(path)}

    eventually(lambda: len(told()) == 4 and len({each.id for each in receiver.events(path)}) >= 5, 20, told)
    assert told()["domain.created"]["records"] == made["records"]
    assert [told()[f"domain.{word}"]["tls"] for word in ("created", "updated")] == ["opportunistic", "enforced"]
    added = {(each.data["email"], each.data["origin"]) for each in receiver.events(path) if "email" in each.data}
    assert added == {("ann@told.example", "manual"), ("complained@postroom.test", "complaint")}
