"""While the store can't be written, nothing is promised and no session is opened; afterwards everything goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from time import sleep
from uuid import uuid4

import pytest

from tests.journeys.deployments import CHOSEN, HOMES, Barrier
from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office
from tests.journeys.outages import small_disk

RETRY = 1.5  # seconds from the first attempt to the second


@pytest.fixture(params=CHOSEN)
def house(
    request: pytest.FixtureRequest, destination: Destination, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Office, Barrier]]:
    """An office, and a barrier before its store: on one machine a disk that is full."""
    folder = tmp_path_factory.mktemp("failing") / "disk"
    with ExitStack() as stack:
        place = stack.enter_context(HOMES[request.param](gated=True))
        store = place.barriers.get("store")
        if store is None:
            if os.geteuid() != 0:
                pytest.skip("only root can mount a disk that is small enough to be filled")
            store = stack.enter_context(small_disk(folder))
        office = Office(folder / "data", destination.port, place, POSTROOM_RETRY_SCHEDULE=f"{RETRY * 1000:.0f}ms")
        office.start()
        yield office, store
        store.open()
        office.stop()


def test_an_unwritable_store_promises_nothing_and_opens_no_session(
    house: tuple[Office, Barrier], destination: Destination
) -> None:
    office, store = house
    destination.rcpt["bob@outage.example.net"].append("450 4.2.0 not now")
    waiting = office.send("bob@outage.example.net")
    office.wait_for(waiting, "deferred")

    store.shut()
    sessions = destination.sessions
    key = uuid4().hex
    assert submitted(office, key) == (503, "5")
    sleep(RETRY)  # the second attempt was due by now
    assert destination.sessions == sessions, "a verdict couldn't have been recorded"

    store.open()
    office.wait_for(waiting, "delivered", seconds=30)
    assert submitted(office, key) == (200, None)
    assert submitted(office, key) == (200, None)


def submitted(office: Office, key: str) -> tuple[int, str | None]:
    """The status, and when to come again."""
    connection = HTTPConnection(office.host, office.port, timeout=60)
    body = '{"from": "a@example.org", "to": "ann@outage.example.net", "subject": "x", "text": "x"}'
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Idempotency-Key": key}
    connection.request("POST", "/emails", body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Retry-After")
