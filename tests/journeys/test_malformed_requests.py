"""Requests that no client of ours sends, to the server as it runs: without a key they cost little, none is a 5xx."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office
from tests.journeys.processes import processes_of

MEGABYTE = 2**20


@pytest.fixture(scope="module")
def local_office(destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    house = Office(tmp_path_factory.mktemp("malformed"), destination.port)
    house.start()
    yield house
    assert house.stop() == 0


def head(*lines: str, key: str = KEY, method: str = "POST", target: str = "/emails") -> bytes:
    given = "".join(f"{line}\r\n" for line in lines)
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{given}\r\n".encode()


def said(office: Office, *parts: bytes, end: bool = False) -> tuple[int, bytes]:
    """The status and the body of the first answer, however much of the request the server let us say."""
    with closing(socket.create_connection((office.host, office.port), 20)) as connection:
        with suppress(OSError):  # it has heard enough
            for part in parts:
                connection.sendall(part)
            if end:
                connection.shutdown(socket.SHUT_WR)
        file = connection.makefile("rb")
        status = int(file.readline().split()[1])
        length = 0
        while (line := file.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, file.read(length)


def name_in(body: bytes) -> str:
    told: Any = json.loads(body)
    name: str = told["name"]
    return name


def peak(office: Office) -> int:
    """The most memory that any process of the API has had, in MB."""
    lines = [
        line
        for pid, part in processes_of(office.folder).items()
        if part == "submit"
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    ]
    return max(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


CHUNK = b"100000\r\n" + b" " * MEGABYTE + b"\r\n"


def test_whoever_shows_no_good_key_is_answered_before_a_body_comes(local_office: Office) -> None:
    before = peak(local_office)
    status, body = said(local_office, head("Content-Length: 60000000", key="wrong"))
    assert (status, name_in(body)) == (403, "invalid_api_key")
    status, body = said(local_office, head("Transfer-Encoding: chunked", key="wrong"), *[CHUNK] * 80)
    assert (status, name_in(body)) == (403, "invalid_api_key")
    assert peak(local_office) < before + 20


def test_a_body_that_is_too_large_is_answered_before_it_comes(local_office: Office) -> None:
    status, body = said(local_office, head("Content-Length: 70000000"))
    assert (status, name_in(body)) == (413, "validation_error")


def test_a_body_that_never_ends_is_not_heard_to_the_end(local_office: Office) -> None:
    status, body = said(local_office, head("Transfer-Encoding: chunked"), *[CHUNK] * 80)
    assert (status, name_in(body)) == (413, "validation_error")


@pytest.mark.parametrize(
    "request_",
    [
        (head("Content-Length: 100"), b"{}"),
        (head("Transfer-Encoding: chunked"), b"5\r\n{}"),
        (head("Transfer-Encoding: chunked"), b"zz\r\n{}\r\n0\r\n\r\n"),
        (head("Transfer-Encoding: chunked"), b"2\r\n{}junk0\r\n\r\n"),
    ],
)
def test_a_body_that_breaks_off_is_told_as_such(local_office: Office, request_: tuple[bytes, ...]) -> None:
    status, body = said(local_office, *request_, end=True)
    assert (status, name_in(body)) == (400, "validation_error")
    assert b"ended early" in body


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: gzip",),
        (f"X-Long: {'x' * 9000}",),
        tuple(f"X-{number}: x" for number in range(200)),
    ],
)
def test_a_head_that_could_mean_two_things_or_has_no_end_is_refused_by_the_server(
    local_office: Office, lines: tuple[str, ...]
) -> None:
    status, _ = said(local_office, head(*lines), b"{}", end=True)
    assert 400 <= status < 500 or status == 501


@pytest.mark.parametrize("key", [KEY, "wrong"])
@pytest.mark.parametrize("target", ["/" + "a/" * 50_000, "/emails?" + "a=1&" * 25_000])
def test_a_target_has_its_limit(local_office: Office, target: str, key: str) -> None:
    status, body = said(local_office, head(method="GET", target=target, key=key))
    assert (status, name_in(body)) == (414, "validation_error")
