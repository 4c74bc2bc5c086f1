"""The golden letters: each folder of `letters/` holds what was asked for, the exact bytes that it becomes, and why."""

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter, guess_content_type
from postroom.message.mime import render

LETTERS = Path(__file__).parent / "letters"


@dataclass(frozen=True, slots=True)
class Golden:
    name: str
    letter: Letter
    message_id: str
    date: datetime
    seed: str

    @property
    def expected(self) -> bytes:
        return (LETTERS / self.name / "expected.eml").read_bytes()

    def render(self) -> bytes:
        return render(self.letter, message_id=self.message_id, date=self.date, seed=self.seed)


def read(folder: Path) -> Golden:
    asked: dict[str, Any] = json.loads((folder / "letter.json").read_text("utf-8"))
    letter = Letter(
        sender=Mailbox.parse(asked["from"]),
        to=_boxes(asked["to"]),
        cc=_boxes(asked.get("cc", [])),
        reply_to=_boxes(asked.get("reply_to", [])),
        subject=asked["subject"],
        text=asked.get("text"),
        html=asked.get("html"),
        headers=tuple((name, value) for name, value in asked.get("headers", {}).items()),
        attachments=tuple(
            Attachment(
                filename=file["filename"],
                content=b64decode(file["content"]),
                content_type=file.get("content_type") or guess_content_type(file["filename"]),
                content_id=file.get("content_id"),
            )
            for file in asked.get("attachments", [])
        ),
    )
    return Golden(folder.name, letter, asked["message_id"], datetime.fromisoformat(asked["date"]), asked["seed"])


def _boxes(texts: list[str]) -> tuple[Mailbox, ...]:
    return tuple(map(Mailbox.parse, texts))


GOLDEN = [read(folder) for folder in sorted(LETTERS.iterdir())]
