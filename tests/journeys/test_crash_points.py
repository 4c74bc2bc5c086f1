"""A process is killed, or stands still, at each point of a letter's way: nothing is lost, and nobody lies.

The destination stalls at the stage in question, or a barrier before the store or the queue is shut, and that gives the
time to kill. A lease lasts four seconds here, and the sweep puts back what is a second late.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import pytest

from postroom import wiring
from postroom.accept import SubmitRequest
from postroom.delivery.task import DeliveryTask
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.ports import Schedule
from postroom.settings import Settings
from tests.journeys.deployments import CHOSEN, HOMES, Barrier, Place
from tests.journeys.destination import STALL, Destination
from tests.journeys.office import KEY, Office, eventually
from tests.journeys.outages import Disk, losing_tasks, small_disk
from tests.journeys.processes import connected_to, kill

LEASE = 4.0


@pytest.fixture(scope="module", params=CHOSEN)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with HOMES[request.param](gated=True) as found:
        yield found


@pytest.fixture(scope="module")
def office(place: Place, destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    house = Office(
        tmp_path_factory.mktemp("crashing"),
        destination.port,
        place,
        POSTROOM_FUNCTION_TIMEOUT="3s",
        POSTROOM_LEASE=f"{LEASE:.0f}s",
        POSTROOM_SWEEP_AFTER="1s",
        POSTROOM_RETRY_SCHEDULE="500ms",
        WORKERS="2",  # so that one can stand still while the other works
    )
    house.start()
    yield house
    house.stop()


@pytest.fixture
def store(place: Place, office: Office) -> Barrier:
    return place.barriers.get("store") or Disk(office.folder)


@pytest.fixture
def address() -> str:
    return f"bob-{uuid4().hex[:8]}@example.net"


@contextmanager
def submitting(office: Office, address: str, key: str, **delivery: str) -> Iterator[Future[int]]:
    """A client that asks once, in its own time. The status that it got, or 0 where its connection was lost."""

    def ask() -> int:
        try:
            return office.request("POST", "/emails", letter(address, **delivery), {"Idempotency-Key": key})[0]
        except (OSError, HTTPException, ValueError):
            return 0

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(ask)


def letter(address: str, **delivery: str) -> dict[str, Any]:
    return {"from": "alice@example.org", "to": address, "subject": "hello", "text": "hello\n", "delivery": delivery}


def repeated(office: Office, address: str, key: str) -> str:
    """The client asks again under its key until it is answered. The letter's id."""
    end = monotonic() + 30
    while True:
        try:
            status, answer = office.request("POST", "/emails", letter(address), {"Idempotency-Key": key})
        except (OSError, HTTPException, ValueError):
            status, answer = 0, {}
        if status == 200:
            return str(answer["id"])
        assert monotonic() < end, answer
        sleep(0.1)


def outcomes(office: Office, id_: str) -> list[str]:
    return [attempt["outcome"] for attempt in office.attempts(id_)]


def test_killed_before_the_record(office: Office, destination: Destination, store: Barrier, address: str) -> None:
    key = uuid4().hex
    store.shut()
    try:
        with submitting(office, address, key) as asked:
            sleep(0.5)  # it waits to write
            assert not asked.done()
            kill(office.folder, "submit")
            assert asked.result(20) == 0, "the client has no 2xx"
    finally:
        store.open()
    office.wait_for(repeated(office, address, key), "delivered", seconds=30)
    assert len(destination.letters_to(address)) == 1


def test_killed_between_the_record_and_the_task(
    office: Office, place: Place, destination: Destination, address: str
) -> None:
    """The sweep finds the letter; the client's repeat finds that it is there."""
    key = uuid4().hex

    def stored() -> bool:
        return any(each["to"] == [address] for each in office.request("GET", "/emails")[1]["data"])

    with cut_off(office, place), submitting(office, address, key) as asked:
        eventually(stored)
        kill(office.folder, "submit")
        assert place.home == "local" or asked.result(20) == 0, "the client has no 2xx"
    office.wait_until_ready()
    (id_,) = [each["id"] for each in office.request("GET", "/emails")[1]["data"] if each["to"] == [address]]
    office.wait_for(id_, "delivered", seconds=30)
    assert repeated(office, address, key) == id_
    assert len(destination.letters_to(address)) == 1


def test_killed_between_the_records_of_a_batch_and_its_tasks(
    office: Office, place: Place, destination: Destination, address: str
) -> None:
    """The sweep finds all of its letters; the client's repeat finds that they are there."""
    recipients = [f"{number}-{address}" for number in range(6)]

    def stored() -> dict[str, str]:
        page = office.request("GET", "/emails?limit=50")[1]["data"]
        return {each["to"][0]: each["id"] for each in page if each["to"][0] in recipients}

    with cut_off(office, place), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(batch, office, recipients, address)
        eventually(lambda: len(stored()) == len(recipients))
        kill(office.folder, "submit")
        assert place.home == "local" or asked.result(20) is None, "the client has no 2xx"
    office.wait_until_ready()
    ids = stored()
    for each in recipients:
        office.wait_for(ids[each], "delivered", seconds=40)
    eventually(lambda: batch(office, recipients, address) == [ids[each] for each in recipients])
    assert [len(destination.letters_to(each)) for each in recipients] == [1] * len(recipients)


def test_killed_in_the_middle_of_a_task_of_several_letters(
    office: Office, place: Place, destination: Destination, address: str
) -> None:
    recipients = [f"{number}-{address}" for number in range(10)]
    destination.rcpt[recipients[4]].append(STALL)
    ids = batch(office, recipients, address)
    assert ids is not None
    for id_ in ids[:4]:
        office.wait_for(id_, "delivered", seconds=30)
    eventually(lambda: destination.waiting == 1)
    kill(office.folder, "deliver")
    killed = monotonic()
    destination.release()
    for id_ in ids:
        office.wait_for(id_, "delivered", seconds=40)
    if place.home == "local":
        assert monotonic() - killed < 10, "a dead process's claims are free at once"
    assert outcomes(office, ids[4]) == ["abandoned", "accepted"]
    for number, (id_, each) in enumerate(zip(ids, recipients, strict=True)):
        copies = len(destination.letters_to(each))
        # The sweep is impatient here, and may have had another worker at one of those that waited.
        in_doubt = number > 4 and office.email(id_)["recipients"][0]["possibly_delivered"]
        assert copies == 1 or (copies == 2 and in_doubt), f"letter {number}"


def batch(office: Office, recipients: Sequence[str], key: str) -> list[str] | None:
    """The ids of the batch's letters, or None where there was no answer."""
    try:
        status, answer = office.request("POST", "/emails/batch", [*map(letter, recipients)], {"Idempotency-Key": key})
    except (OSError, HTTPException, ValueError):
        return None
    return [each["id"] for each in answer["data"]] if status == 200 else None


def test_killed_before_the_final_dot(office: Office, place: Place, destination: Destination, address: str) -> None:
    held = f"held-{address}"
    for each in (address, held):
        destination.rcpt[each].append(STALL)
    ids = office.send(address), office.send(held, delivery={"on_unknown": "hold"})
    eventually(lambda: destination.waiting == 2)
    kill(office.folder, "deliver")
    killed = monotonic()
    destination.release()
    (bob,), (holly,) = (office.wait_for(id_, "delivered", seconds=40)["recipients"] for id_ in ids)
    if place.home == "local":
        assert monotonic() - killed < 5, "a dead process's claims are free at once"
    for id_, each in zip(ids, (address, held), strict=True):
        assert outcomes(office, id_) == ["abandoned", "accepted"]
        assert len(destination.letters_to(each)) == 1
    # Only a mark can tell that the dot was not sent, and only under `hold` there is one.
    assert bob["possibly_delivered"] is True
    assert holly["possibly_delivered"] is False


def test_killed_between_the_dot_and_the_record(office: Office, destination: Destination, address: str) -> None:
    held = f"held-{address}"
    for each in (address, held):
        destination.data[each].append(STALL)
    ids = office.send(address), office.send(held, delivery={"on_unknown": "hold"})
    eventually(lambda: destination.waiting == 2)
    kill(office.folder, "deliver")
    destination.release()
    (bob,) = office.wait_for(ids[0], "delivered", seconds=40)["recipients"]
    (holly,) = office.wait_for(ids[1], "unknown", seconds=40)["recipients"]
    assert bob["possibly_delivered"] is holly["possibly_delivered"] is True
    assert outcomes(office, ids[0]) == ["abandoned", "accepted"]
    assert outcomes(office, ids[1]) == ["abandoned"]
    first, second = destination.letters_to(address)
    assert first.content == second.content, "the same octets under the same Message-ID"
    assert len(destination.letters_to(held)) == 1


def test_killed_between_the_record_and_what_follows(
    office: Office, place: Place, destination: Destination, address: str
) -> None:
    """The attempt is recorded, and whoever would have put the next one is dead."""
    destination.rcpt[address].append(STALL)
    id_ = office.send(address)
    eventually(lambda: destination.waiting == 1)
    with cut_off(office, place):
        destination.release("450 4.2.0 not now")
        eventually(lambda: office.statuses(id_)[address] == "deferred")
        kill(office.folder, "deliver")
    office.wait_for(id_, "delivered", seconds=40)
    assert len(destination.letters_to(address)) == 1
    assert outcomes(office, id_) == ["deferred", "accepted"]


@contextmanager
def cut_off(office: Office, place: Place) -> Iterator[None]:
    """The queue can't be reached, or on one machine, where that can't be, loses what it is given."""
    queue = place.barriers.get("queue")
    if queue is None:
        with losing_tasks(office.folder):
            yield
        return
    queue.shut()
    try:
        yield
    finally:
        queue.open()


@dataclass(frozen=True)
class TenTimes:
    """A schedule that puts ten copies of every task, which nobody can collapse."""

    schedule: Schedule

    def put_many(self, tasks: Sequence[tuple[DeliveryTask, datetime]]) -> None:
        copies = [
            (replace(task, parcels=tuple(replace(ref, generation=number) for ref in task.parcels)), at)
            for task, at in tasks
            for number in range(10)
        ]
        self.schedule.put_many(copies)


def test_the_same_task_ten_times_at_once(office: Office, destination: Destination, address: str) -> None:
    settings = Settings.from_environment(office.environment)
    accept = wiring.accepting(settings)
    tenfold = replace(accept, schedule=TenTimes(accept.schedule))  # type: ignore[arg-type]  # all that `accept` uses
    sender, to = Mailbox.parse("alice@example.org"), (Mailbox.parse(address),)
    asked = SubmitRequest(letter=Letter(sender=sender, to=to, subject="hello", text="hello\n"), fingerprint="f")
    id_ = tenfold(asked).id
    office.wait_for(id_, "delivered", seconds=30)
    sleep(1.0)
    assert len(destination.letters_to(address)) == 1
    assert outcomes(office, id_) == ["accepted"]


def test_a_worker_that_stands_still_past_its_lease_sends_nothing_when_it_wakes(
    office: Office, destination: Destination, address: str
) -> None:
    destination.rcpt[address].append(STALL)
    id_ = office.send(address)
    eventually(lambda: destination.waiting == 1)
    sleeper = connected_to(office.folder, destination.port)
    os.kill(sleeper, signal.SIGSTOP)
    try:
        office.wait_for(id_, "delivered", seconds=40)  # by another
    finally:
        destination.release()
        os.kill(sleeper, signal.SIGCONT)
    sleep(1.0)
    assert len(destination.letters_to(address)) == 1
    assert outcomes(office, id_) == ["abandoned", "accepted"]
    assert office.statuses(id_) == {address: "delivered"}


def test_a_letter_waits_for_its_destination_across_a_restart(office: Office, address: str) -> None:
    later = Destination()
    office.settings["POSTROOM_ROUTES"] += f'\n[[route]]\nname = "later"\nvia = "smtp://127.0.0.1:{later.port}"'
    assert office.stop() == 0
    office.start()
    id_ = office.send(address, delivery={"route": "later"})
    eventually(lambda: len(office.attempts(id_)) >= 1)
    assert office.attempts(id_)[0]["note"] == f"127.0.0.1:{later.port}: Connection refused"
    assert office.stop() == 0
    later.start()
    try:
        office.start()
        assert office.wait_for(id_, "delivered", seconds=30)["recipients"][0]["attempts"] >= 2
    finally:
        later.stop()


@pytest.fixture
def failing(office: Office, place: Place, destination: Destination, tmp_path: Path) -> Iterator[tuple[Office, Barrier]]:
    """An office, and a barrier before its store: on one machine a disk that is full."""
    if "store" in place.barriers:
        yield office, place.barriers["store"]
        return
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk that is small enough to be filled")
    with small_disk(tmp_path / "disk") as disk:
        house = Office(tmp_path / "disk" / "data", destination.port, POSTROOM_RETRY_SCHEDULE="500ms")
        house.start()
        yield house, disk
        disk.open()
        house.stop()


def test_an_unwritable_store_promises_nothing_and_opens_no_session(
    failing: tuple[Office, Barrier], destination: Destination, address: str
) -> None:
    office, store = failing
    destination.rcpt[address].append("450 4.2.0 not now")
    waiting = office.send(address)
    office.wait_for(waiting, "deferred")

    store.shut()
    sleep(0.5)  # whoever is in a session may end it
    sessions = destination.sessions
    key = uuid4().hex
    assert submitted(office, key) == (503, "5")
    sleep(1.0)  # the second attempt was due by now
    assert destination.sessions == sessions, "a verdict couldn't have been recorded"

    store.open()
    office.wait_for(waiting, "delivered", seconds=30)
    assert submitted(office, key) == (200, None)
    assert submitted(office, key) == (200, None)


def submitted(office: Office, key: str) -> tuple[int, str | None]:
    """The status, and when to come again."""
    connection = HTTPConnection(office.host, office.port, timeout=60)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Idempotency-Key": key}
    connection.request("POST", "/emails", json.dumps(letter("ann@outage.example.net")), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Retry-After")
