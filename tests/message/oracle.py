"""What a reader makes of our bytes: the standard library's parsers, which share no code with our writer.

Its newer parser gives the structure. Encoded words are left to its older one: the newer keeps the blank between two of
them in a display name, against RFC 2047 §6.2.
"""

import re
from collections.abc import Sequence
from email import message_from_bytes, message_from_string, policy
from email.header import decode_header
from email.message import EmailMessage
from email.utils import getaddresses, unquote
from typing import Any

from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter


def parsed(message: bytes) -> EmailMessage:
    if message.isascii():
        return message_from_bytes(message, policy=policy.default)
    # The parser takes UTF-8 in a header only as text.
    return message_from_string(message.decode(), policy=policy.default)


def assert_says(message: bytes, letter: Letter) -> None:
    """The bytes say what the letter asked for: no more, no less."""
    mail = parsed(message)
    custom = [(name, value.strip(" \t")) for name, value in letter.headers if name.lower() != "message-id"]
    assert [name for name in mail if name not in ("Content-Type", "Content-Transfer-Encoding")] == [
        "From",
        "To",
        *(["Cc"] if letter.cc else []),
        *(["Reply-To"] if letter.reply_to else []),
        "Subject",
        "Date",
        "Message-ID",
        *(name for name, _ in custom),
        "MIME-Version",
    ]
    raw = {name: str(value).replace("\r\n", "").lstrip(" \t") for name, value in mail.raw_items()}
    assert decoded(raw["Subject"]) == letter.subject.strip(" \t")
    assert {name: decoded(raw[name]) for name, _ in custom} == dict(custom)
    _assert_named(mail, "From", [letter.sender])
    _assert_named(mail, "To", letter.to)
    _assert_named(mail, "Cc", letter.cc)
    _assert_named(mail, "Reply-To", letter.reply_to)
    _assert_holds(mail, letter)


def _assert_named(mail: EmailMessage, name: str, boxes: Sequence[Mailbox]) -> None:
    field: Any = mail[name]
    addresses = field.addresses if field is not None else ()
    assert [(address.username, address.domain) for address in addresses] == [
        (unquoted(box.local), box.domain) for box in boxes
    ]
    raw = [str(value).replace("\r\n", "") for key, value in mail.raw_items() if key == name]
    assert [decoded(shown) for shown, _ in getaddresses(raw)] == [box.name for box in boxes]


def _assert_holds(mail: EmailMessage, letter: Letter) -> None:
    leaves = [part for part in mail.walk() if not part.is_multipart()]
    bodies = [("text/plain", letter.plain), ("text/html", letter.html)]
    if letter.plain is None and letter.html is None:
        bodies[0] = ("text/plain", "")
    texts = [(kind, crlf(text)) for kind, text in bodies if text is not None]
    for kind, text in texts:
        part = leaves.pop(0)
        assert part.get_content_type() == kind
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        # Alone in its letter, a text that is not base64 ends with its line.
        assert content.decode() in ((text, text + "\r\n") if part is mail else (text,))
    inline = [file for file in letter.attachments if file.content_id is not None and letter.html is not None]
    others = [file for file in letter.attachments if file not in inline]
    assert len(leaves) == len(letter.attachments)
    for part, file in zip(leaves, [*inline, *others], strict=True):
        _assert_carries(part, file)
    if inline:
        related = next(part for part in mail.walk() if part.get_content_type() == "multipart/related")
        assert related.get_param("type") == ("text/html" if letter.plain is None else "multipart/alternative")


def _assert_carries(part: EmailMessage, file: Attachment) -> None:
    kind = file.content_type.partition(";")[0].strip().lower()
    assert part.get_content_type() == ("application/octet-stream" if kind == "message/rfc822" else kind)
    assert part.get_content_disposition() == ("attachment" if file.content_id is None else "inline")
    assert (part.get_filename() or "") == unquote(file.filename).strip()  # this reader trims, and takes quotes off
    assert part["Content-ID"] == (None if file.content_id is None else f"<{file.content_id}>")
    assert part.get_payload(decode=True) == file.content


def unquoted(local: str) -> str:
    return re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local


def decoded(value: str) -> str:
    return "".join(
        part.decode(charset or "ascii") if isinstance(part, bytes) else part for part, charset in decode_header(value)
    )


def crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def assert_meets_contract(message: bytes) -> None:
    """What the wire asks for, checked line by line, unlike the package does it."""
    *lines, end = message.split(b"\r\n")
    assert end == b""
    for line in lines:
        assert b"\r" not in line
        assert b"\n" not in line
        assert b"\x00" not in line
        assert len(line) <= 998
        assert not line.startswith(b"From ")
    header = lines[: lines.index(b"")]
    assert all(line.strip() for line in header), "a line of the header is blank"
    for line in header:
        if b"=?" in line:
            assert len(line.decode()) <= 76, "RFC 2047 §2"
