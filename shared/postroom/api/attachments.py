"""Attachments as clients send them: their bytes come in three encodings, depending on the client's language."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Sequence
from typing import Any

from marshmallow import ValidationError, post_load, validate, validates_schema

from postroom.api.body import kind
from postroom.api.fields import ONE_LINE, Members, NotOffered, Shape, Text, Value, accepted_by
from postroom.api.problems import MISSING
from postroom.message.attachment import LONGEST_ID, LONGEST_TYPE
from postroom.message.letter import (
    Attachment,
    check_content_id,
    check_content_type,
    check_text,
    guess_content_type,
)

MOST = 500
LARGEST = 40 * 1024 * 1024  # octets of all attachments together, counted as base64

_UNNAMED = "attachment"
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


class AttachmentSchema(Members):
    """One file that travels along."""

    content = Content(metadata={"description": "The file's bytes: base64, an array of octets, or a Buffer object."})
    path = NotOffered(metadata={"description": "The URL to fetch the file from."})
    filename = Text(
        load_default=_UNNAMED,
        validate=[
            validate.Length(max=255, error="it is longer than {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={"description": "What the recipient sees it called.", "examples": ["invoice.pdf"]},
    )
    content_type = Text(
        validate=accepted_by(check_content_type, maxLength=LONGEST_TYPE),
        metadata={
            "description": "Its media type. Without one, the filename's ending decides.",
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
        if original.get("content") is None and original.get("path") is None:
            raise ValidationError(MISSING, "content")

    @post_load
    def _attachment(self, data: dict[str, Any], **_: Any) -> Attachment:
        filename = data["filename"] or _UNNAMED
        content_id = data.get("content_id") or data.get("inline_content_id")
        return Attachment(
            filename=filename,
            content=data["content"],
            content_type=data.get("content_type") or guess_content_type(filename),
            content_id=content_id and _bare(content_id),
        )


def check_total(attachments: Sequence[Attachment]) -> None:
    """Refuse what mail servers would refuse. They count the letter as it travels, which is in base64."""
    total = sum(-(-len(attachment.content) // 3) * 4 for attachment in attachments)
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
