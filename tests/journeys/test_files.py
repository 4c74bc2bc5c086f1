"""Files that letters enclose: fetched from where they are, read back, and gone with the letter that is erased."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from email import message_from_bytes, policy
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.journeys.destination import Destination
from tests.journeys.files import STRANGER, FileServer
from tests.journeys.office import KEY, Office

LARGE = bytes(range(256)) * 2000


@pytest.fixture
def name() -> str:
    """That no other story has used."""
    return uuid4().hex[:8]


def enclosed(content: bytes) -> dict[str, tuple[str, bytes]]:
    """Types and contents by their names, as the recipient finds them."""
    message = message_from_bytes(content, policy=policy.default)
    return {
        str(part.get_filename()): (part.get_content_type(), part.get_payload(decode=True))  # type: ignore[misc]  # octets
        for part in message.walk()
        if part.get_filename()
    }


def fetched(office: Office, path: str, key: str | None = KEY) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(office.host, office.port, timeout=30)
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


def test_files_are_fetched_once_and_go_to_every_recipient(
    office: Office, destination: Destination, files: FileServer, name: str
) -> None:
    files.files = {f"/{name}/invoice%207.pdf": (b"%PDF-1.7", "text/html"), f"/{name}/photo": (LARGE, "image/jpeg")}
    to = [f"{name}@{domain}" for domain in ("one.example.net", "two.example.net")]
    destination.data[to[0]].append("451 4.3.0 not now")
    given = [{"path": files.url(path)} for path in files.files]
    id_ = office.send(to, attachments=[*given, {"filename": "own.txt", "content": b64encode(b"own").decode()}])
    office.wait_for(id_, "delivered", "delivered", seconds=30)
    letters = [letter for each in to for letter in destination.letters_to(each)]
    assert len({letter.content for letter in letters}) == 1
    assert enclosed(letters[0].content) == {
        "invoice 7.pdf": ("application/pdf", b"%PDF-1.7"),
        "photo": ("image/jpeg", LARGE),
        "own.txt": ("text/plain", b"own"),
    }
    assert {files.asked[path] for path in files.files} == {1}


def test_what_can_not_be_fetched_now_is_fetched_later(
    office: Office, destination: Destination, files: FileServer, name: str
) -> None:
    path, to = f"/{name}.txt", f"{name}@three.example.net"
    files.files, files.sooner[path] = {path: (b"at last", "text/plain")}, deque(["503 Busy", "429 Slow down"])
    id_ = office.send(to, attachments=[{"path": files.url(path)}])
    office.wait_for(id_, "delivered", seconds=30)
    assert enclosed(destination.letters_to(to)[0].content) == {f"{name}.txt": ("text/plain", b"at last")}
    why = f"The file {name}.txt can't be fetched from files.example: it answered with status"
    assert [each["note"] for each in office.attempts(id_)] == [f"{why} 503", f"{why} 429", None]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("here/gone.txt", "files.example: it answered with status 404"),
        ("https://inside.example/x.txt", "inside.example: it has no address that may be dialled"),
        ("https://metadata.example/x.txt", "metadata.example: it has no address that may be dialled"),
        ("https://10.0.0.1/x.txt", "10.0.0.1: it has no address that may be dialled"),
        ("https://nowhere.example/x.txt", "nowhere.example: DNS has no address for nowhere.example"),
        ("stranger", "certificate can't be trusted"),
    ],
)
def test_what_can_never_be_fetched_fails_and_says_why(
    office: Office, destination: Destination, files: FileServer, name: str, path: str, why: str
) -> None:
    path = {"stranger": files.url("/x.txt", STRANGER), "here/gone.txt": files.url("/gone.txt")}.get(path, path)
    id_ = office.send(f"{name}@four.example.net", attachments=[{"path": path}])
    email = office.wait_for(id_, "failed")
    assert email["last_event"] == "failed"
    assert email["recipients"][0]["cause"] == "attachment"
    (attempt,) = office.attempts(id_)
    assert attempt["outcome"] == "not_attempted"
    assert why in attempt["note"]
    assert "SECRET" not in f"{email}{attempt}"
    assert not destination.letters_to(f"{name}@four.example.net")


def test_a_letter_and_its_files_are_read_back(
    office: Office, destination: Destination, files: FileServer, name: str
) -> None:
    files.files = {f"/{name}.png": (LARGE, "image/png")}
    to = f"{name}@five.example.net"
    id_ = office.send(
        to,
        html='<img src="cid:logo">',
        attachments=[
            {"path": files.url(f"/{name}.png"), "content_id": "logo"},
            {"filename": "Größe.html", "content": b64encode(b"<script>").decode()},
        ],
    )
    office.wait_for(id_, "delivered", seconds=30)
    logo, html = office.request("GET", f"/emails/{id_}/attachments")[1]["data"]
    assert (logo["size"], logo["content_disposition"], logo["content_type"]) == (len(LARGE), "inline", "image/png")
    assert office.request("GET", f"/emails/{id_}/attachments/{logo['id']}")[1]["filename"] == f"{name}.png"
    for file, content in ((logo, LARGE), (html, b"<script>")):
        link = urlsplit(file["download_url"])
        status, headers, body = fetched(office, f"{link.path}?{link.query}", key=None)
        assert (status, body) == (200, content)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-disposition"].startswith("attachment; ")
        assert fetched(office, f"{link.path}?{link.query}x", key=None)[0] == 404
    status, headers, raw = fetched(office, f"/emails/{id_}/raw")
    assert (status, headers["content-type"]) == (200, "message/rfc822")
    (letter,) = destination.letters_to(to)
    assert letter.content.endswith(raw)
    assert letter.content.startswith(b"DKIM-Signature: "), "which the API can't tell"


def test_an_erased_letter_is_gone_for_good(
    office: Office, destination: Destination, files: FileServer, name: str
) -> None:
    files.files = {f"/{name}.bin": (LARGE, "application/octet-stream")}
    to = [f"{name}@six.example.net", f"{name}@seven.example.net"]
    body: dict[str, Any] = {
        "from": "alice@example.org",
        "to": to,
        "subject": "hello",
        "text": "hello",
        "attachments": [{"path": files.url(f"/{name}.bin")}],
    }
    key = {"Idempotency-Key": name}
    id_ = office.request("POST", "/emails", body, key)[1]["id"]
    office.wait_for(id_, "delivered", "delivered", seconds=30)
    assert [each["id"] for each in office.request("GET", f"/emails?to={to[0]}")[1]["data"]] == [id_]
    link = urlsplit(office.request("GET", f"/emails/{id_}/attachments")[1]["data"][0]["download_url"])
    assert office.request("DELETE", f"/emails/{id_}", {}) == (200, {"object": "email", "id": id_, "deleted": True})
    for path in ("", "/attempts", "/attachments"):
        assert office.request("GET", f"/emails/{id_}{path}")[0] == 404
    assert fetched(office, f"{link.path}?{link.query}", key=None)[0] == 404
    assert office.request("GET", f"/emails?to={to[0]}")[1]["data"] == []
    assert office.request("POST", "/emails", body, key) == (200, {"id": id_})
    assert office.request("GET", f"/emails?idempotency_key={name}")[1]["data"] == []
    assert len(destination.letters_to(to[0])) == 1


def test_who_has_not_got_an_erased_letter_never_gets_it(office: Office, destination: Destination, name: str) -> None:
    good, slow = f"{name}@eight.example.net", f"{name}@nine.example.net"
    destination.rcpt[slow] += ["450 4.2.0 not now"] * 50
    id_ = office.send([good, slow], tags=[{"name": "story", "value": name}])
    office.wait_for(id_, "delivered", "deferred")
    query = f"/emails?tag=story:{name}"
    assert [each["id"] for each in office.request("GET", f"{query}&status=delivery_delayed")[1]["data"]] == [id_]
    assert office.request("GET", f"{query}&status=delivered")[1]["data"] == []
    while (answered := office.request("DELETE", f"/emails/{id_}"))[0] == 422:
        assert "is being sent to at this moment" in answered[1]["message"]
    assert answered[0] == 200
    asked = len(destination.rcpt[slow])
    office.wait_for(office.send(f"another-{name}@eight.example.net"), "delivered")
    assert len(destination.rcpt[slow]) == asked
    assert not destination.letters_to(slow)
