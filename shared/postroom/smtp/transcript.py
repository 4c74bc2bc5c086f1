"""What was said in a session, and when. Secrets and bodies are left out before a line gets here."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

Speaker = Literal["client", "server"]

MAX_TEXT = 1024  # characters kept of one line, and of one reply beside its last line
MAX_KEPT = 64 * 1024  # characters kept of one conversation; the smallest store takes 400 KB of a record

# What could end a line in a log, drive a terminal or hide what follows it: C0 and C1, DEL, the Unicode line
# ends, the marks that change direction, and lone surrogates, which no UTF-8 file can hold.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Line(NamedTuple):
    at_ms: float  # since the session's first moment
    speaker: Speaker
    text: str


def escaped(text: str, limit: int = MAX_TEXT) -> str:
    r"""`text` on one line, safe to store, log and print: control characters as `\xNN`, at most `limit` characters."""
    if len(text) <= limit and text.isprintable():
        return text
    safe = _UNSAFE.sub(_escape, text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class Transcript:
    """Collects lines. The one who drives the session owns the clock and passes the milliseconds, to the microsecond."""

    __slots__ = ("_lines",)

    def __init__(self, before: Iterable[Line] = ()) -> None:
        self._lines: list[Line] = list(before)

    def client(self, at_ms: float, commands: Iterable[str]) -> None:
        """What was said at once, a line for each command; a command without words leaves none."""
        self._lines += [Line(at_ms, "client", escaped(text)) for text in commands if text]

    def server(self, at_ms: float, replies: Iterable[tuple[str, ...]]) -> None:
        """What came in at once, line by line as it was on the wire, escaped by `Reply.shown`."""
        for lines in replies:
            kept = lines if len(lines) == 1 else _shortened(lines)
            self._lines += [Line(at_ms, "server", line) for line in kept]

    def __len__(self) -> int:
        return len(self._lines)

    def lines(self, start: int = 0, end: int | None = None) -> tuple[Line, ...]:
        return tuple(self._lines[start:end])


def shares(flight: Sequence[Line], commands: Sequence[int]) -> list[tuple[Line, ...]]:
    """The lines of a flight that carried several letters, each letter's own; `commands` tells how many each had.

    What is left over, such as a goodbye, is the last one's.
    """
    said = deque(line for line in flight if line.speaker == "client")
    heard = deque(line for line in flight if line.speaker == "server")
    parts: list[list[Line]] = []
    for count in commands:
        parts.append([said.popleft() for _ in range(min(count, len(said)))])
        for _ in range(count):
            while heard and _goes_on(heard[0]):
                parts[-1].append(heard.popleft())
            if heard:
                parts[-1].append(heard.popleft())
    parts[-1] += [*said, *heard]
    return [tuple(sorted(part, key=lambda line: line.at_ms)) for part in parts]


def _goes_on(line: Line) -> bool:
    """Whether the reply has another line."""
    return line.text[3:4] == "-" or line.text.startswith("…")


def _shortened(reply: tuple[str, ...]) -> Iterator[str]:
    """The lines of a reply, as many as are kept, and always the last, which says what it means."""
    *lines, last = reply
    room = MAX_TEXT
    for number, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            yield f"… ({len(lines) - number} lines left out)"
            break
        yield line
    yield last


def bounded(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The conversation, or its beginning and its end where it is too long to be kept."""
    if sum(len(line.text) for line in lines) <= MAX_KEPT:
        return tuple(lines)
    first, last = _fitting(lines), _fitting(lines[::-1])[::-1]
    left_out = Line(last[0].at_ms, "server", f"… ({len(lines) - len(first) - len(last)} lines left out)")
    return (*first, left_out, *last)


def _fitting(lines: Sequence[Line]) -> tuple[Line, ...]:
    """As many of the first lines as half of what is kept has room for."""
    room = MAX_KEPT // 2
    ends = accumulate(len(line.text) for line in lines)
    return tuple(line for line, end in zip(lines, ends, strict=True) if end <= room)
