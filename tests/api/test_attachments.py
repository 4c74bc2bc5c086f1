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
    ({"path": "https://a.example/b"}, "Invalid `{}.path` field: this deployment doesn't offer it; leave it out."),
    ({"filename": 1}, "Missing `{}.content` field. Invalid `{}.filename` field: expected a string, not a number."),
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
    message = "Missing `attachments[0].content` field."
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
