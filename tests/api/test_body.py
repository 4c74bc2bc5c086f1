"""Bodies that are not what they should be, long before their members are looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse, create_environ, run_wsgi_app
from werkzeug.wrappers import Request

from postroom.api.body import LARGEST
from tests.api.office import FULL, Office, letter, problem

NUMBER = "it holds a number that JSON doesn't know, or one that is too large"

MALFORMED = [
    (b"", "it is empty, and an object is expected"),
    (b"   ", "Expecting value at line 1, column 4"),
    (b"{", "Expecting property name enclosed in double quotes at line 1, column 2"),
    (b'{"a":1,\n"b"}', "Expecting ':' delimiter at line 2, column 4"),
    (b"{} {}", "Extra data at line 1, column 4"),
    (b"from=a&to=b", "Expecting value at line 1, column 1"),
    (b"[]", "it is an array, and an object is expected"),
    (b'"text"', "it is a string, and an object is expected"),
    (b"null", "it is null, and an object is expected"),
    (b"true", "it is a boolean, and an object is expected"),
    (b"1.5", "it is a number, and an object is expected"),
    (b"\xff\xfe{\x00}\x00", "it is not UTF-8 at octet 0"),
    (b'{"a":"\xc3\x28"}', "it is not UTF-8 at octet 6"),
    (b'{"a":"\xed\xa0\x80"}', "it is not UTF-8 at octet 6"),
    (b'{"a":NaN}', NUMBER),
    (b'{"a":[-Infinity]}', NUMBER),
    (b'{"a":1e999}', NUMBER),
    (b'{"a":' + b"9" * 5000 + b"}", NUMBER),
    (b'{"a":' + b"[" * 100_000, "its arrays and objects are nested too deeply"),
    (b'{"a":' * 100_000, "its arrays and objects are nested too deeply"),
]


@pytest.mark.parametrize(("body", "why"), MALFORMED)
def test_what_is_no_json_object_is_refused(office: Office, body: bytes, why: str) -> None:
    message = f"The request body can't be read as JSON: {why}."
    assert problem(office.post(body)) == (400, "validation_error", message)


@pytest.mark.parametrize("depth", range(300, 1100, 7))
def test_no_depth_of_an_unknown_member_is_a_fault_of_ours(office: Office, depth: int) -> None:
    nested = b'{"x":' + b"[" * depth + b"]" * depth + b"," + json.dumps(letter()).encode()[1:]
    assert office.post(nested).status_code in (200, 400)


def test_a_byte_order_mark_is_passed_over(office: Office) -> None:
    assert office.post(b"\xef\xbb\xbf" + json.dumps(letter()).encode()).status_code == 200


@pytest.mark.parametrize(
    ("twice", "name"),
    [
        (b'"subject":"Second"', "subject"),
        (b'"delivery":{"route":"mx","tls":"verify","route":"relay"}', "delivery.route"),
        (b'"headers":{"X-A":"1","X-A":"1"}', "headers.X-A"),
        (b'"unknown":[{"a b":1,"a b":null}]', 'unknown[0]."a b"'),
        (b'"\\u0074o":"second@home.example"', "to"),
    ],
)
def test_a_name_that_an_object_holds_twice_is_refused(office: Office, twice: bytes, name: str) -> None:
    answered = office.post(json.dumps(letter()).encode()[:-1] + b"," + twice + b"}")
    assert problem(answered) == (422, "validation_error", f"Invalid `{name}` field: it is given twice in one object.")
    assert not office.submissions.stored


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", "", "multipart/form-data"])
def test_the_content_type_does_not_matter(office: Office, content_type: str) -> None:
    headers = {"Authorization": f"Bearer {FULL}", "Content-Type": content_type}
    assert office.client.post("/emails", data=json.dumps(letter()), headers=headers).status_code == 200


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 200), ("", 200)])
def test_only_plain_bodies_are_read(office: Office, encoding: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {FULL}", "Content-Encoding": encoding}
    answered = office.client.post("/emails", data=json.dumps(letter()), headers=headers)
    assert answered.status_code == status
    if status == 415:
        assert problem(answered)[:2] == (415, "validation_error")


class Stream:
    """A body that counts how much of it was read, and never ends."""

    read_ = 0

    def read(self, size: int = -1, /) -> bytes:
        assert size > 0, "nobody knows how much this is"
        self.read_ += size
        return b" " * size


def streamed(office: Office, body: Stream | Broken, token: str = FULL, **environ: Any) -> TestResponse:
    """The answer to a POST whose body is read as it comes."""
    whole = create_environ("/emails", method="POST", headers={"Authorization": f"Bearer {token}"})
    whole |= {"wsgi.input": body, **environ}
    return TestResponse(*run_wsgi_app(office.app, whole), request=Request(whole))


TOO_LARGE = (413, "validation_error", f"The request body may hold at most {LARGEST} octets.")


def test_a_body_that_says_it_is_too_large_is_not_read(office: Office) -> None:
    body = Stream()
    assert problem(streamed(office, body, CONTENT_LENGTH=str(LARGEST + 1))) == TOO_LARGE
    assert body.read_ == 0


def test_a_body_of_untold_length_is_read_up_to_the_limit(office: Office) -> None:
    body = Stream()
    environ: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert problem(streamed(office, body, **environ)) == TOO_LARGE
    assert LARGEST <= body.read_ < LARGEST + 2**20


class Broken:
    """A body of which some comes before the server gives up on the client."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = list(parts)

    def read(self, size: int = -1, /) -> bytes:  # noqa: ARG002  parts are smaller than any
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, Exception):
            raise part
        return part


class InvalidChunkSize(Exception):
    """What a server may raise: not always an OSError."""


@pytest.mark.parametrize(
    ("parts", "environ", "why"),
    [
        ((b"{}",), {"CONTENT_LENGTH": "3", "wsgi.input_terminated": True}, "it ended early: 2 of its 3 octets came"),
        ((b"{}",), {"CONTENT_LENGTH": "3"}, "it ended early, or its chunks are malformed (ClientDisconnected)"),
        (
            (b"{", InvalidChunkSize()),
            {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
            "it ended early, or its chunks are malformed (InvalidChunkSize)",
        ),
    ],
)
def test_a_body_that_breaks_off_is_the_clients_fault(
    office: Office, parts: tuple[Any, ...], environ: dict[str, Any], why: str
) -> None:
    answered = streamed(office, Broken(*parts), **environ)
    assert problem(answered) == (400, "validation_error", f"The request body can't be read as JSON: {why}.")


def test_nothing_is_read_for_somebody_without_a_key(office: Office) -> None:
    body = Stream()
    assert streamed(office, body, token="wrong", CONTENT_LENGTH="10").status_code == 403
    assert body.read_ == 0


@pytest.mark.parametrize("body", [b"{}", b"not JSON", b""])
def test_the_body_of_a_get_is_not_looked_at(office: Office, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {FULL}", "Content-Type": "application/json"}
    assert office.client.get("/emails", data=body, headers=headers).status_code == 200
