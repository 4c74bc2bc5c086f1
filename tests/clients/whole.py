"""A letter that says all that the clients can say, as Resend's API has it, and a look at what arrived of it."""

from __future__ import annotations

from base64 import b64encode
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from tests.journeys.destination import Destination

SUBJECT = "Grüße aus dem Büro ☃ — 你好"
TEXT = "Hallo Ünal,\n.\n..dots at the start, and a long line: " + "x" * 1200 + "\n"
HTML = '<p>Hallo <b>Ünal</b> 🎉 <img src="cid:snow@shop"></p>\n'
PICTURE = bytes(range(256)) * 5
NOTE = "Zahlbar bis 31.12. — ✓\r\n".encode()
LINK = f"<https://example.org/u/{'y' * 150}>"


def letter(to: str, /, **members: Any) -> dict[str, Any]:
    """The request, with `to` first among its recipients; a member `...` is left out."""
    whole: dict[str, Any] = {
        "from": "Büro Ärger <alice@example.org>",
        "to": [f"Ünal <{to}>", f"second.{to}"],
        "cc": f"cc.{to}",
        "bcc": [f"bcc.{to}"],
        "reply_to": ["Hilfe <help@example.org>", "more@example.org"],
        "subject": SUBJECT,
        "text": TEXT,
        "html": HTML,
        "headers": {"X-Order": "7", "X-Name": "Jürgen", "List-Unsubscribe": LINK},
        "tags": [{"name": "kind", "value": "receipt"}, {"name": "order_id", "value": "A-7"}],
        "attachments": [
            {"filename": "Rechnung für März.pdf", "content": b64encode(PICTURE).decode()},
            {"filename": "note.txt", "content": list(NOTE), "content_type": 'text/plain; charset="utf-8"'},
            {
                "filename": "snow.png",
                "content": {"type": "Buffer", "data": list(PICTURE)},
                "content_type": "image/png",
                "content_id": "snow@shop",
            },
        ],
    }
    return {name: value for name, value in (whole | members).items() if value is not ...}


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not list(message.defects)
    return message


def check(destination: Destination, to: str) -> None:
    """The letter was delivered once, to all four, and says what was asked for."""
    (taken,) = destination.letters_to(to)
    assert set(taken.rcpt_tos) == {to, f"second.{to}", f"cc.{to}", f"bcc.{to}"}
    assert f"bcc.{to}".encode() not in taken.content
    message = parsed(taken.content)
    assert str(message["From"]) == "Büro Ärger <alice@example.org>"
    assert str(message["To"]) == f"Ünal <{to}>, second.{to}"
    assert str(message["Cc"]) == f"cc.{to}"
    assert str(message["Reply-To"]) == "Hilfe <help@example.org>, more@example.org"
    assert (message["Subject"], message["X-Order"], message["X-Name"]) == (SUBJECT, "7", "Jürgen")
    assert message["List-Unsubscribe"] == LINK
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == TEXT.splitlines()
    assert html.get_content().splitlines() == HTML.splitlines()
    files = {part.get_filename(): part for part in message.walk() if part.get_filename()}
    assert {name: part.get_payload(decode=True) for name, part in files.items()} == {
        "Rechnung für März.pdf": PICTURE,
        "note.txt": NOTE,
        "snow.png": PICTURE,
    }
    assert {name: part.get_content_type() for name, part in files.items()} == {
        "Rechnung für März.pdf": "application/pdf",
        "note.txt": "text/plain",
        "snow.png": "image/png",
    }
    assert files["snow.png"]["Content-ID"] == "<snow@shop>"
    assert [part.get_content_disposition() for part in files.values()].count("inline") == 1
