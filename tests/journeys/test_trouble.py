"""A destination that refuses, stalls or talks nonsense leaves a recorded attempt and a later one."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from postroom.house.supervisor import free_port
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually


@contextmanager
def says(greeting: bytes) -> Iterator[int]:
    """A server that says this to whoever comes, and then nothing more."""
    server = socket.create_server(("127.0.0.1", 0))
    guests: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                guest, _ = server.accept()
            except OSError:
                return
            guest.sendall(greeting)
            guests.append(guest)

    Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for guest in guests:
        guest.close()


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        (b"", "connection_lost"),
        (b"554 5.3.2 no mail here\r\n", "turned_away"),
        (b"421 4.3.2 too busy\r\n", "turned_away"),
        (b"HTTP/1.1 400 Bad Request\r\n", "connection_lost"),
        (b"220 hello\r\n", "connection_lost"),
    ],
    ids=["silent", "unwilling", "busy", "not SMTP", "deaf"],
)
def test_a_server_that_never_gets_to_mail_is_tried_again(folder: Path, greeting: bytes, cause: str) -> None:
    with says(greeting) as port:
        office = Office(folder, port, POSTROOM_TIMEOUTS="connect=500ms,greeting=500ms,command=500ms")
        office.start()
        try:
            id_ = office.send("bob@example.net")
            eventually(lambda: len(office.attempts(id_)) >= 2)
            (bob,) = office.email(id_)["recipients"]
            assert bob["status"] in ("deferred", "sending")
            assert bob["cause"] == cause
            assert {attempt["outcome"] for attempt in office.attempts(id_)} == {"deferred"}
            assert all(attempt["note"] for attempt in office.attempts(id_))
        finally:
            assert office.stop() == 0


def test_a_letter_waits_for_its_destination_across_a_restart(folder: Path) -> None:
    destination = Destination()
    office = Office(folder, destination.port)
    office.start()
    id_ = office.send("bob@example.net")
    eventually(lambda: len(office.attempts(id_)) >= 1)
    assert office.attempts(id_)[0]["note"] == f"127.0.0.1:{destination.port}: Connection refused"
    assert office.stop() == 0
    destination.start()
    try:
        office.start()
        assert office.wait_for(id_, "delivered")["recipients"][0]["attempts"] >= 2
    finally:
        assert office.stop() == 0
        destination.stop()


def test_a_private_address_is_never_dialled(folder: Path) -> None:
    office = Office(folder, free_port("127.0.0.1"), POSTROOM_DIAL_ALLOW="192.0.2.0/24")
    office.start()
    try:
        id_ = office.send("bob@example.net")
        eventually(lambda: len(office.attempts(id_)) >= 1)
        assert office.email(id_)["recipients"][0]["cause"] == "forbidden_address"
    finally:
        assert office.stop() == 0


def test_what_grows_too_old_expires(folder: Path) -> None:
    office = Office(folder, free_port("127.0.0.1"), POSTROOM_GIVE_UP_AFTER="2s")
    office.start()
    try:
        id_ = office.send("bob@example.net")
        (bob,) = office.wait_for(id_, "expired")["recipients"]
        assert bob["cause"] == "connection_refused"
        assert office.email(id_)["last_event"] == "bounced"
    finally:
        assert office.stop() == 0
