"""Attachments as clients send them: their bytes come in three encodings, depending on the client's language."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError, post_load, validate, validates_schema

from postroom.api.body import kind
from postroom.api.fields import ONE_LINE, Members, Shape, Text, Value, accepted_by
from postroom.api.problems import MISSING
from postroom.internet.url import BadUrl, Url
from postroom.message.attachment import (
    LARGEST_TOGETHER,
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_TYPE,
    UNKNOWN,
    UNNAMED,
    in_base64,
    name_in,
)
from postroom.message.letter import (
    Attachment,
    check_content_id,
    check_content_type,
    check_text,
    guess_content_type,
)

MOST = 500
LARGEST = LARGEST_TOGETHER
LONGEST_PATH = 2048

_WITHOUT_LINES = str.maketrans("", "", "\r\n\t ")


_OCTETS: Shape = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}


class Content(Value[bytes]):
    """A file's bytes: base64, an array of octets, or Node's Buffer, `{"type": "Buffer", "data": [octets]}`."""

    def shape(self) -> Shape:
        buffer = {"properties": {"type": {"const": "Buffer"}, "data": _OCTETS}, "required": ["type", "data"]}
        return {"anyOf": [{"type": "string", "contentEncoding": "base64"}, _OCTETS, {"type": "object", **buffer}]}

    def read(self, value: Any) -> bytes:
        if isinstance(value, str):
            return _from_base64(value)
        octets = value.get("data") if isinstance(value, dict) and value.get("type") == "Buffer" else value
        if isinstance(octets, list):
            return _from_octets(octets)
        raise ValidationError(f"expected base64, an array of octets or a Buffer, not {kind(value)}")


_AN_ID = accepted_by(lambda value: check_content_id(_bare(value)), maxLength=LONGEST_ID + len("<>"))


class Path(Value[str]):
    """The https URL of a file. Who serves it, and what, is found out by the worker that fetches it."""

    def shape(self) -> Shape:
        return {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]://", "maxLength": LONGEST_PATH}

    def read(self, value: Any) -> str:
        text = Text().read(value)
        if len(text) > LONGEST_PATH:
            raise ValidationError(f"it is longer than {LONGEST_PATH} characters")
        try:
            secure = Url.parse(text).secure
        except BadUrl as error:
            raise ValidationError(str(error)) from None
        if not secure:
            raise ValidationError("it must begin with https://")
        return text


class AttachmentSchema(Members):
    """One file that travels along."""

    content = Content(metadata={"description": "The file's bytes: base64, an array of octets, or a Buffer object."})
    path = Path(
        metadata={
            "description": "In place of `content`, the https URL that the file is fetched from, once, before the "
            "letter is sent. No redirect is followed."
        }
    )
    filename = Text(
        validate=[
            validate.Length(max=LONGEST_NAME, error="it is longer than {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={
            "description": "What the recipient sees it called. Without one, the end of `path` decides.",
            "examples": ["invoice.pdf"],
        },
    )
    content_type = Text(
        validate=accepted_by(check_content_type, maxLength=LONGEST_TYPE),
        metadata={
            "description": "Its media type. Without one, the filename's ending decides, then who serves `path`.",
            "examples": ["application/pdf"],
        },
    )
    content_id = Text(
        validate=_AN_ID,
        metadata={"description": "Makes it an inline file, which the HTML shows as `cid:` and this id."},
    )
    inline_content_id = Text(
        validate=_AN_ID,
        metadata={"description": "The older name of `content_id`.", "deprecated": True},
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _holds_something(self, _data: Any, original: Any, **_: Any) -> None:
        given = [name for name in ("content", "path") if original.get(name) is not None]
        if not given:
            raise ValidationError(MISSING, "content` or `path")  # the backticks of one path, around two
        if len(given) == 2:
            raise ValidationError("`content` was given too, and a file comes from one of them", "path")

    @post_load
    def _attachment(self, data: dict[str, Any], **_: Any) -> Attachment:
        path = data.get("path")
        filename = data.get("filename") or (name_in(path) if path else UNNAMED)
        content_id = data.get("content_id") or data.get("inline_content_id")
        guessed = guess_content_type(filename)
        return Attachment(
            filename=filename,
            content=data.get("content", b""),
            content_type=data.get("content_type") or ("" if path and guessed == UNKNOWN else guessed),
            content_id=content_id and _bare(content_id),
            path=path,
        )


def check_total(attachments: Sequence[Attachment]) -> None:
    """Refuse what mail servers would refuse. They count the letter as it travels, which is in base64."""
    total = sum(in_base64(len(attachment.content)) for attachment in attachments)
    if total > LARGEST:
        raise ValidationError(f"together they take {total} octets in base64, and {LARGEST} is the most")


def _from_base64(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        pass
    # Some libraries break their base64 into lines (RFC 2045 §6.8). Anything else that is odd stays an error.
    try:
        return a2b_base64(text.translate(_WITHOUT_LINES), strict_mode=True)
    except ValueError:
        hint = " without the `data:…,` in front" if text.startswith("data:") else ""
        raise ValidationError(f"it is not base64; send the standard alphabet with its padding{hint}") from None


def _from_octets(octets: list[Any]) -> bytes:
    if octets and set(map(type, octets)) != {int}:  # a boolean would pass for a number otherwise
        raise ValidationError("an array of octets holds whole numbers and nothing else")
    try:
        return bytes(octets)
    except ValueError:
        raise ValidationError("an octet is a number from 0 to 255") from None


def _bare(content_id: str) -> str:
    """The id without the angle brackets that it has in a letter's header."""
    return content_id[1:-1] if content_id.startswith("<") and content_id.endswith(">") else content_id
