"""A letter as bytes (RFC 5322, RFC 2045-2047, RFC 2231): the same letter, id and date give the same bytes each time.

    multipart/mixed
      multipart/related            around an HTML that shows attachments by `cid:`
        multipart/alternative
          text/plain
          text/html
        image/png                  inline
      application/pdf              attachment

A level with nothing to hold together is left out.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from postroom.message.attachment import UNKNOWN, WORDS, Attachment
from postroom.message.header import (
    LONGEST_LINE,
    MESSAGE_ID,
    custom,
    field,
    mailboxes,
    unstructured,
)
from postroom.message.letter import Letter
from postroom.message.transfer import base64, text_body
from postroom.message.words import extended_parameter

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONGEST_PLAIN_FILENAME = 50


class UnsendableLetter(ValueError):
    """The letter's bytes would break the rules of the wire. Its parts were not checked, or we have a bug."""


class Part(NamedTuple):
    """A MIME entity: its Content-* fields, and its body in slices that are joined once, at the end."""

    fields: list[str]
    body: list[bytes]


def render(letter: Letter, *, message_id: str, date: datetime, seed: str) -> bytes:
    """The letter's bytes. `message_id` has its angle brackets; `seed` is the letter's id, boundaries come from it."""
    if not MESSAGE_ID.fullmatch(message_id):
        raise UnsendableLetter("the message id is not <left@right>")
    if not letter.complete:
        raise UnsendableLetter("not all of its files have been fetched")
    try:
        fields = _fields(letter, message_id, date)
        content = _content(letter, seed)
        head = _header([*fields, "MIME-Version: 1.0\r\n", *content.fields])
    except UnicodeEncodeError:
        raise UnsendableLetter("it holds half a surrogate pair") from None
    slices = [head, b"\r\n", *content.body]
    if not slices[-1].endswith(b"\r\n"):
        slices.append(b"\r\n")
    message = b"".join(slices)
    _check(message, ascii_only=not letter.needs_smtputf8)
    return message


def _fields(letter: Letter, message_id: str, date: datetime) -> list[str]:
    """The fields that say who, what and when (RFC 5322 §3.6). RFC 6532 §3.2 lets UTF-8 stand in a mailbox."""
    fields = [mailboxes("From", [letter.sender]), mailboxes("To", letter.to)]
    if letter.cc:
        fields.append(mailboxes("Cc", letter.cc))
    if letter.reply_to:
        fields.append(mailboxes("Reply-To", letter.reply_to))
    fields += [
        unstructured("Subject", letter.subject),
        f"Date: {_timestamp(date)}\r\n",
        field("Message-ID", [message_id]),
    ]
    fields += [custom(name, value) for name, value in letter.headers if name.lower() != "message-id"]
    return fields


def _timestamp(date: datetime) -> str:
    """RFC 5322 §3.3. Written out here: strftime would speak the host's language."""
    if date.tzinfo is None:
        raise ValueError("a letter's date needs its time zone")
    utc = date.astimezone(UTC)
    return f"{DAYS[utc.weekday()]}, {utc.day} {MONTHS[utc.month - 1]} {utc.year:04} {utc:%H:%M:%S} +0000"


def _content(letter: Letter, seed: str) -> Part:
    digest = sha256(seed.encode()).hexdigest()[:32]
    bodies = []
    plain = letter.plain
    if plain is not None or letter.html is None:
        bodies.append(_text("plain", plain or ""))
    if letter.html is not None:
        bodies.append(_text("html", letter.html))
    content = bodies[0]
    kind = "text/plain" if letter.html is None else "text/html"
    if len(bodies) == 2:
        content, kind = _multipart("alternative", bodies, digest), "multipart/alternative"
    # An inline file is related to an HTML that shows it; beside plain text it is one more attachment.
    inline: list[Attachment] = []
    others: list[Attachment] = []
    for file in letter.attachments:
        (others if file.content_id is None or letter.html is None else inline).append(file)
    if inline:
        # RFC 2387 §3.1: the root's type is a parameter of the whole.
        content = _multipart("related", [content, *map(_file, inline)], digest, f'; type="{kind}"')
    if others:
        content = _multipart("mixed", [content, *map(_file, others)], digest)
    return content


def _multipart(kind: str, parts: list[Part], digest: str, parameter: str = "") -> Part:
    """RFC 2046 §5.1. A boundary starts with `=_`, which neither an encoded body nor a clear one of ours can hold."""
    boundary = f"=_{kind}_{digest}"
    delimiter = f"--{boundary}".encode()
    body = []
    for part in parts:
        body += [delimiter, b"\r\n", _header(part.fields), b"\r\n", *part.body, b"\r\n"]
    body += [delimiter, b"--\r\n"]
    return Part([f'Content-Type: multipart/{kind}{parameter};\r\n boundary="{boundary}"\r\n'], body)


def _text(subtype: str, text: str) -> Part:
    encoding, body = text_body(text)
    return Part(
        [f"Content-Type: text/{subtype}; charset=utf-8\r\n", f"Content-Transfer-Encoding: {encoding}\r\n"], [body]
    )


def _file(file: Attachment) -> Part:
    content_type = file.content_type
    # RFC 2046 §5.2.1 forbids base64 for a message, and without it a relay may change the message: its lines, its
    # encoding, and with them its signatures. As plain octets it arrives as it was, and `.eml` still says what it is.
    if content_type.lower().startswith("message/"):
        content_type = UNKNOWN
    fields = [
        field("Content-Type", WORDS.findall(content_type)),
        field("Content-Disposition", _disposition(file)),
        "Content-Transfer-Encoding: base64\r\n",
    ]
    if file.content_id is not None:
        fields.append(field("Content-ID", [f"<{file.content_id}>"]))
    return Part(fields, [base64(file.content)])


def _disposition(file: Attachment) -> list[str]:
    """RFC 2183 §2. A name that readers take in different ways is spelled out by RFC 2231."""
    disposition = "attachment" if file.content_id is None else "inline"
    name = file.filename
    if not name:
        return [disposition]
    plain = name.isascii() and name.isprintable() and len(name) <= LONGEST_PLAIN_FILENAME
    if plain and not any(mark in name for mark in ('"', "\\", "=?", "%")):
        parameters = [f'filename="{name}"']
    else:
        parameters = extended_parameter("filename", name)
    return [f"{piece};" for piece in (disposition, *parameters[:-1])] + parameters[-1:]


def _header(fields: list[str]) -> bytes:
    """The fields as octets, once it is sure that they are all the lines there are: nobody's text became a field."""
    header = "".join(fields)
    lines = header.count("\n") - header.count("\r\n ") - header.count("\r\n\t")
    if lines != len(fields) or header.count("\r") != header.count("\n"):
        raise UnsendableLetter("a line break stands where none may be")
    return header.encode()


def _check(message: bytes, *, ascii_only: bool) -> None:
    """What the wire asks of every message (RFC 5321 §2.3.8, §4.5.3.1.6)."""
    line_ends = message.count(b"\r\n")
    if message.count(b"\r") != line_ends or message.count(b"\n") != line_ends or not message.endswith(b"\r\n"):
        raise UnsendableLetter("its lines don't all end in CRLF")
    if b"\x00" in message:
        raise UnsendableLetter("it holds a NUL")
    if ascii_only and not message.isascii():
        raise UnsendableLetter("it holds octets beyond ASCII")
    # Leaps as far as a line may reach and looks back for its end: far cheaper than a look at every line.
    start, reach, end = 0, LONGEST_LINE + 2, len(message)
    while end - start > reach:
        start = message.rfind(b"\n", start, start + reach) + 1
        if not start:
            raise UnsendableLetter(f"it has a line of more than {LONGEST_LINE} octets")
