"""Files that travel along, in every encoding that clients use."""

from __future__ import annotations

from base64 import b64encode, encodebytes
from typing import Any

import pytest

from postroom.api import attachments
from postroom.message.letter import Attachment
from tests.api.office import Office, letter, problem

BYTES = bytes(range(256)) * 2
BASE64 = b64encode(BYTES).decode()

ENCODINGS = {
    "base64": BASE64,
    "base64 in lines": encodebytes(BYTES).decode(),
    "base64 in CRLF lines": encodebytes(BYTES).decode().replace("\n", "\r\n"),
    "octets": list(BYTES),
    "Buffer": {"type": "Buffer", "data": list(BYTES)},
}

NOT_BASE64 = "it is not base64; send the standard alphabet with its padding"
NOT_OCTETS = "an array of octets holds whole numbers and nothing else"
CONTENT: list[tuple[Any, str]] = [
    ("@@@@", NOT_BASE64),
    ("QQ", NOT_BASE64),
    ("QQ==QQ==", NOT_BASE64),
    ("_-_-", NOT_BASE64),
    ("ÄÄÄÄ", NOT_BASE64),
    ("\ud800", NOT_BASE64),
    ("data:text/plain;base64,QUJD", f"{NOT_BASE64} without the `data:…,` in front"),
    ([1, 256], "an octet is a number from 0 to 255"),
    ([-1], "an octet is a number from 0 to 255"),
    ([10**30], "an octet is a number from 0 to 255"),
    ([1, 1.0], NOT_OCTETS),
    ([True], NOT_OCTETS),
    ([[1]], NOT_OCTETS),
    (["1"], NOT_OCTETS),
    ([None], NOT_OCTETS),
    (1, "expected base64, an array of octets or a Buffer, not a number"),
    ({"data": [1]}, "expected base64, an array of octets or a Buffer, not an object"),
    ({"type": "Buffer"}, "expected base64, an array of octets or a Buffer, not an object"),
    ({"type": "Buffer", "data": "QUJD"}, "expected base64, an array of octets or a Buffer, not an object"),
    ({"type": "Buffer", "data": [300]}, "an octet is a number from 0 to 255"),
]

MEMBERS: list[tuple[dict[str, Any], str]] = [
    (
        {"filename": 1},
        "Missing `{}.content` or `path` field. Invalid `{}.filename` field: expected a string, not a number.",
    ),
    (
        {"content": "QUJD", "path": "https://a.example/b"},
        "Invalid `{}.path` field: `content` was given too, and a file comes from one of them.",
    ),
    (
        {"content": "", "filename": "a\nb"},
        "Invalid `{}.filename` field: it holds a character that no header can carry (U+000A).",
    ),
    ({"content": "", "filename": "x" * 256}, "Invalid `{}.filename` field: it is longer than 255 characters."),
    (
        {"content": "", "content_type": "pdf"},
        "Invalid `{}.content_type` field: a content type looks like `application/pdf` or `text/plain; charset=utf-8`.",
    ),
    (
        {"content": "", "content_type": "multipart/mixed"},
        "Invalid `{}.content_type` field: an attachment is one file, so its type can't be multipart.",
    ),
    (
        {"content": "", "content_id": "a b"},
        "Invalid `{}.content_id` field: a content id is at most 250 letters, digits or marks like logo@example, "
        "no spaces.",
    ),
    ({"content": "", "inline_content_id": 5}, "Invalid `{}.inline_content_id` field: expected a string, not a number."),
]


@pytest.mark.parametrize("content", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_every_encoding_gives_the_same_letter(office: Office, content: Any) -> None:
    kept = office.kept(office.send(attachments=[{"filename": "a.pdf", "content": content}]))
    assert kept.attachments == (Attachment(filename="a.pdf", content=BYTES, content_type="application/pdf"),)


@pytest.mark.parametrize("empty", ["", [], {"type": "Buffer", "data": []}])
def test_an_empty_file_is_a_file(office: Office, empty: Any) -> None:
    assert office.kept(office.send(attachments=[{"filename": "a", "content": empty}])).attachments[0].content == b""


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("id_", ["logo@shop", "<logo@shop>"])
def test_a_content_id_has_two_names_and_needs_no_brackets(office: Office, *, older: bool, id_: str) -> None:
    name = "inline_content_id" if older else "content_id"
    file = {"filename": "a.png", "content": "QUJD", "content_type": 'text/plain; charset="utf-8"', name: id_}
    assert office.kept(office.send(attachments=[file])).attachments == (
        Attachment(
            filename="a.png", content=b"ABC", content_type='text/plain; charset="utf-8"', content_id="logo@shop"
        ),
    )


@pytest.mark.parametrize("nameless", [{}, {"filename": None}, {"filename": ""}])
def test_a_file_without_a_name_gets_one(office: Office, nameless: dict[str, Any]) -> None:
    kept = office.kept(office.send(attachments=[{"content": "QUJD"} | nameless])).attachments[0]
    assert (kept.filename, kept.content_type) == ("attachment", "application/octet-stream")


@pytest.mark.parametrize(("content", "why"), CONTENT)
def test_content_that_is_none_is_refused(office: Office, content: Any, why: str) -> None:
    body = letter(attachments=[{"content": "QUJD"}, {"filename": "a", "content": content}])
    message = f"Invalid `attachments[1].content` field: {why}."
    assert problem(office.post(body)) == (422, "invalid_attachment", message)
    assert not office.submissions.stored


@pytest.mark.parametrize(("file", "message"), MEMBERS)
def test_every_other_member_is_checked(office: Office, file: dict[str, Any], message: str) -> None:
    answered = problem(office.post(letter(attachments=[file])))
    assert answered == (422, "invalid_attachment", message.replace("{}", "attachments[0]"))


@pytest.mark.parametrize("files", [[{}], [{"filename": "a.txt"}], [{"content": None, "path": None}]])
def test_neither_content_nor_path(office: Office, files: list[Any]) -> None:
    message = "Missing `attachments[0].content` or `path` field."
    assert problem(office.post(letter(attachments=files))) == (422, "invalid_attachment", message)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("a", "Invalid `attachments` field: expected an array, not a string."),
        ({"content": ""}, "Invalid `attachments` field: expected an array, not an object."),
        ([None], "Invalid `attachments[0]` field: expected an object, not null."),
        ([[]], "Invalid `attachments[0]` field: expected an object, not an array."),
        ([{}] * 501, "Invalid `attachments` field: it holds 501 items, and at most 500 may be given."),
    ],
)
def test_the_array_itself_is_checked(office: Office, files: Any, message: str) -> None:
    assert problem(office.post(letter(attachments=files))) == (422, "invalid_attachment", message)


def test_no_two_files_have_the_same_content_id(office: Office) -> None:
    one, other = ({"content": "QUJD", "content_id": id_} for id_ in ("logo@shop", "<logo@shop>"))
    message = "Invalid `attachments[1].content_id` field: an item before it has the same."
    assert problem(office.post(letter(attachments=[one, other]))) == (422, "invalid_attachment", message)
    assert office.send(attachments=[one, {"content": "QUJD"}, {"content": "QUJD"}])


A_URL = "is not a URL such as https://example.org/path"
PATHS: list[tuple[Any, str]] = [
    (7, "expected a string, not a number"),
    (["https://a.example/b"], "expected a string, not an array"),
    ("", f"'' {A_URL}"),
    ("http://a.example/b", "it must begin with https://"),
    ("file:///etc/passwd", f"'file:///etc/passwd' {A_URL}"),
    ("data:text/plain;base64,QUJD", f"'data:text/plain;base64,QUJD' {A_URL}"),
    ("ftp://a.example/b", f"'ftp://a.example/b' {A_URL}"),
    ("//a.example/b", f"'//a.example/b' {A_URL}"),
    ("/etc/passwd", f"'/etc/passwd' {A_URL}"),
    ("https://user:secret@a.example/b", f"'https://user:secret@a.example/b' {A_URL}"),
    ("https://a.example/b c", f"'https://a.example/b c' {A_URL}"),
    ("https://a.example/b\r\nX: y", f"'https://a.example/b\\r\\nX: y' {A_URL}"),
    ("https://a.example/é", f"'https://a.example/é' {A_URL}"),
    ("https://a.example/\ud800", "it holds half a surrogate pair at position 18"),
    ("https://a..example/b", "'a..example' is not a host name"),
    ("https://a.example:99999/b", "99999 is not a port"),
    ("https://a.example/" + "b" * 2031, "it is longer than 2048 characters"),
]


@pytest.mark.parametrize(("path", "why"), PATHS)
def test_a_path_that_nobody_could_fetch_from_is_refused(office: Office, path: Any, why: str) -> None:
    body = letter(attachments=[{"filename": "a.pdf", "path": path}])
    assert problem(office.post(body)) == (422, "invalid_attachment", f"Invalid `attachments[0].path` field: {why}.")


@pytest.mark.parametrize(
    ("given", "filename", "content_type"),
    [
        ({"path": "https://a.example/files/Invoice%207.pdf?token=x.png#page=2"}, "Invoice 7.pdf", "application/pdf"),
        ({"path": "https://a.example/b", "filename": "c.png"}, "c.png", "image/png"),
        ({"path": "https://a.example/b.png", "content_type": "image/webp"}, "b.png", "image/webp"),
        ({"path": "https://a.example/download"}, "download", ""),
        ({"path": "https://a.example/download", "content_type": "text/csv"}, "download", "text/csv"),
        ({"path": "https://a.example"}, "attachment", ""),
        ({"path": "https://a.example/b/"}, "attachment", ""),
        ({"path": "https://a.example/%0D%0Ax"}, "attachment", ""),
        ({"path": "https://a.example/%FF"}, "attachment", ""),
        ({"path": "https://a.example/..%2F..%5Cx.txt"}, "x.txt", "text/plain"),
        ({"path": "https://a.example/" + "b" * 300}, "attachment", ""),
    ],
)
def test_a_path_is_kept_for_the_worker_with_what_can_be_said_of_the_file(
    office: Office, given: dict[str, Any], filename: str, content_type: str
) -> None:
    kept = office.kept(office.send(attachments=[given]))
    path = given["path"]
    assert kept.attachments == (Attachment(filename=filename, content_type=content_type, path=path),)
    assert not kept.complete


def test_another_path_under_the_same_key_is_another_request(office: Office) -> None:
    first, second = (letter(attachments=[{"path": f"https://a.example/{name}"}]) for name in "bc")
    assert office.post(first, key="k").status_code == 200
    assert office.post(first, key="k").status_code == 200
    assert problem(office.post(second, key="k"))[:2] == (409, "invalid_idempotent_request")


def test_the_files_together_are_limited_as_base64(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "LARGEST", 12)
    assert office.send(attachments=[{"content": "QUJD"}, {"content": "QUJDQQ=="}])
    body = letter(attachments=[{"content": "QUJDQQ=="}, {"content": "QUJDQQ=="}])
    assert problem(office.post(body)) == (
        422,
        "invalid_attachment",
        "Invalid `attachments` field: together they take 16 octets in base64, and 12 is the most.",
    )


def test_the_limit_is_forty_mebibytes() -> None:
    assert attachments.LARGEST == 40 * 2**20
