"""The letter an application asked for, frozen, and the form in which it is stored.

There is no Bcc in here and no envelope: who is written to without being named stands elsewhere, so that nothing that
writes a letter could ever name him.
"""

import json
from dataclasses import dataclass
from typing import Any

from postroom.message.address import Mailbox
from postroom.message.attachment import Attachment, check_content_id, check_content_type, guess_content_type
from postroom.message.header import InvalidHeader, check_header, check_text

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What goes into the envelope. `to` is never empty."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()

    @property
    def needs_smtputf8(self) -> bool:
        """Whether its header names a mailbox that only SMTPUTF8 can carry (RFC 6531 §3.3)."""
        return any(box.needs_smtputf8 for box in (self.sender, *self.to, *self.cc, *self.reply_to))

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
        return cls(
            sender=Mailbox(*description["sender"]),
            to=tuple(Mailbox(*box) for box in description["to"]),
            cc=tuple(Mailbox(*box) for box in description["cc"]),
            reply_to=tuple(Mailbox(*box) for box in description["reply_to"]),
            subject=description["subject"],
            text=description["text"],
            html=description["html"],
            headers=tuple((name, value) for name, value in description["headers"]),
            attachments=tuple(attachments),
        )


_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _packed(box: Mailbox) -> tuple[str, str, str]:
    return box.local, box.domain, box.name
