"""In which line of a routes table each entry and its keys stand, which the reader of TOML doesn't tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# Strings and comments, which may look like anything.
_OPAQUE = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*',
    re.DOTALL,
)
_ENTRY = re.compile(r"\s*\[\[\s*route\s*\]\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


@dataclass(slots=True)
class Lines:
    """Of one entry; lines count from 1, and 0 is one that can't be told."""

    entry: int = 0
    keys: dict[str, int] = field(default_factory=dict)

    def of(self, key: str | None) -> int:
        return self.keys.get(key, self.entry) if key else self.entry


def lines_of(text: str, entries: int) -> Sequence[Lines]:
    """The lines of each of the [[route]] entries of a valid document; unknown where they are written as a list."""
    found: list[Lines] = []
    for number, line in enumerate(_OPAQUE.sub(lambda match: "\n" * match[0].count("\n"), text).split("\n"), 1):
        if _ENTRY.match(line):
            found.append(Lines(number))
        elif found and (key := _KEY.match(line)):
            found[-1].keys.setdefault(key[1], number)
    return found if len(found) == entries else [Lines() for _ in range(entries)]
