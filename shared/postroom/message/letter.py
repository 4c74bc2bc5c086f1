"""The letter an application asked for, frozen, and the form in which it is stored.

There is no Bcc in here and no envelope: who is written to without being named stands elsewhere, so that nothing that
writes a letter could ever name him.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from postroom.message.address import Mailbox
from postroom.message.attachment import Attachment, check_content_id, check_content_type, guess_content_type
from postroom.message.header import InvalidHeader, check_header, check_text
from postroom.message.plain import text_of

__all__ = [
    "Attachment",
    "InvalidHeader",
    "Letter",
    "check_content_id",
    "check_content_type",
    "check_header",
    "check_text",
    "guess_content_type",
]

LONGEST_READ: Final = 1_000_000
"""Characters of an HTML of which a plain text is made. What is longer, no reader shows whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What goes into the envelope. `to` is never empty."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str
    text: str | None = None  # None: made from the HTML; empty: none beside it
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @property
    def needs_smtputf8(self) -> bool:
        """Whether its header names a mailbox that only SMTPUTF8 can carry (RFC 6531 §3.3)."""
        return any(box.needs_smtputf8 for box in (self.sender, *self.to, *self.cc, *self.reply_to))

    @property
    def plain(self) -> str | None:
        """The text that is sent: the given one, or what the HTML says. None where the HTML goes alone."""
        if self.text is not None or self.html is None:
            return self.text or None
        return (text_of(self.html) or None) if len(self.html) <= LONGEST_READ else None

    @property
    def complete(self) -> bool:
        """Whether all of its files are in it."""
        return all(file.path is None for file in self.attachments)

    def pack(self) -> bytes:
        """The stored form: one line of JSON, then the attachments' bytes one after another, as they came."""
        description = {
            "sender": _packed(self.sender),
            "to": [_packed(box) for box in self.to],
            "cc": [_packed(box) for box in self.cc],
            "reply_to": [_packed(box) for box in self.reply_to],
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            **({"reads_html": True} if self.text is None and self.html is not None else {}),
            "headers": self.headers,
            "attachments": [
                {
                    "filename": file.filename,
                    "content_type": file.content_type,
                    "content_id": file.content_id,
                    "size": len(file.content),
                    **({} if file.path is None else {"path": file.path}),
                }
                for file in self.attachments
            ],
        }
        line = _write_json(description)
        # Half a surrogate pair can't be sent, but what is stored is what was asked for.
        return b"".join([line.encode("utf-8", "surrogatepass"), b"\n", *(file.content for file in self.attachments)])

    @classmethod
    def unpack(cls, stored: bytes) -> "Letter":
        """The letter that `pack` stored. Raises ValueError for anything else, cut short or damaged."""
        line, _, content = stored.partition(b"\n")
        try:
            return cls._described(json.loads(line.decode("utf-8", "surrogatepass")), content)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"this is not a stored letter: {error!r}") from error

    @classmethod
    def _described(cls, description: dict[str, Any], content: bytes) -> "Letter":
        attachments = []
        start = 0
        for file in description["attachments"]:
            size = file.pop("size")
            attachments.append(Attachment(content=content[start : start + size], **file))
            start += size
        if start != len(content):
            raise ValueError("the stored letter and its description differ in length")
        text, html = description["text"], description["html"]
        if text is None and html is not None and "reads_html" not in description:
            text = ""  # stored when no text was made yet: each attempt sends the same octets
        return cls(
            sender=Mailbox(*description["sender"]),
            to=tuple(Mailbox(*box) for box in description["to"]),
            cc=tuple(Mailbox(*box) for box in description["cc"]),
            reply_to=tuple(Mailbox(*box) for box in description["reply_to"]),
            subject=description["subject"],
            text=text,
            html=html,
            headers=tuple((name, value) for name, value in description["headers"]),
            attachments=tuple(attachments),
        )


_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _packed(box: Mailbox) -> tuple[str, str, str]:
    return box.local, box.domain, box.name
