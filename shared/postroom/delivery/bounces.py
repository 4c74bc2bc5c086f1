"""What a reply was about: a cause in one word, by the rules of bounces.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from postroom.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Rule:
    cause: str
    code: re.Pattern[str] | None
    enhanced: tuple[str, ...]
    text: re.Pattern[str] | None

    def matches(self, reply: Reply, detail: str | None) -> bool:
        if self.code and not self.code.fullmatch(str(reply.code)):
            return False
        if self.enhanced and (detail is None or not any(fnmatchcase(detail, each) for each in self.enhanced)):
            return False
        return not self.text or bool(self.text.search(reply.text))


@cache
def rules() -> tuple[Rule, ...]:
    """The rules in their order, read once."""
    table = tomllib.loads(files(__package__).joinpath("bounces.toml").read_text("utf-8"))
    return tuple(
        Rule(
            cause=entry["cause"],
            code=re.compile(entry["code"]) if "code" in entry else None,
            enhanced=tuple(entry.get("enhanced", ())),
            text=re.compile(entry["text"], re.IGNORECASE) if "text" in entry else None,
        )
        for entry in table["rule"]
    )


def cause_of(reply: Reply) -> str | None:
    """The cause of a refusal, or None for a reply that refuses nothing."""
    if reply.positive:
        return None
    detail = reply.enhanced.partition(".")[2] if reply.enhanced else None
    return next((rule.cause for rule in rules() if rule.matches(reply, detail)), "out_of_place")
