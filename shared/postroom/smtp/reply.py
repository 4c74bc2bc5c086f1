"""What a server says: the reply, its enhanced status, the extensions it offers, and the parser of all that.

A reply is untrusted input of an unknown length. The parser keeps to limits and raises `MalformedReply`
where the two sides can no longer be sure to speak of the same command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from postroom.smtp.transcript import escaped

MAX_LINE = 2048  # octets; RFC 5321 §4.5.3.1.5 says 512, servers say more
MAX_REPLY = 65536
MAX_LINES = 512
LEFT_OUT = "(left out)"  # in the place of a secret of ours
SHORT = 128  # octets of a line that is worth remembering

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?= |$)")  # RFC 3463 §2, RFC 2034 §4

_TOO_MANY = re.compile(r"too many|limit", re.IGNORECASE)


class MalformedReply(ValueError):
    """The server sent what isn't an SMTP reply; the session can't go on."""


@dataclass(frozen=True)
class Reply:
    """One reply, its lines without code and separator (RFC 5321 §4.2)."""

    code: int
    lines: tuple[str, ...]

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def intermediate(self) -> bool:
        return 300 <= self.code < 400

    @property
    def permanent(self) -> bool:
        return 500 <= self.code < 600

    @cached_property
    def text(self) -> str:
        return " ".join(line for line in self.lines if line)

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code, if its class agrees with the reply's; where they disagree the reply leads."""
        match = _ENHANCED.match(self.lines[-1]) or _ENHANCED.match(self.lines[0])
        return match[0] if match and match[1] == str(self.code)[0] else None

    @property
    def too_many(self) -> bool:
        """Whether the words speak of a limit: of recipients, of letters in a session, of connections."""
        return self.enhanced in ("4.5.3", "5.5.3") or bool(_TOO_MANY.search(self.text))

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The lines as they were on the wire, escaped for keeping."""
        last = len(self.lines) - 1
        return tuple(
            escaped(f"{self.code}{' ' if at == last else '-'}{line}".rstrip(" ")) for at, line in enumerate(self.lines)
        )

    def quoted(self) -> str:
        """The server's own words, on one line, at most 1 KB."""
        return escaped(f"{self.code} {self.text}".rstrip())


def all_positive(replies: Iterable[Reply]) -> bool:
    for reply in replies:  # noqa: SIM110  a quarter of `all`'s price, for each letter
        if not 200 <= reply.code < 300:
            return False
    return True


class ReplyParser:
    """Octets in, replies out. Holds at most one unfinished reply."""

    __slots__ = ("_code", "_hidden", "_lines", "_octets", "_tail")

    def __init__(self, hidden: Sequence[bytes] = ()) -> None:
        """`hidden` are secrets of ours, which no reply may bring back; there may be more of them later."""
        self._hidden = hidden
        self._tail = b""
        self._code = 0
        self._lines: list[str] = []
        self._octets = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is left over: neither half a line nor half a reply."""
        return not self._tail and not self._lines

    def feed(self, octets: bytes) -> Iterator[Reply]:
        """The replies that `octets` complete, one by one, so that those before a malformed one still count."""
        lines = (self._tail + octets).split(b"\n")
        self._tail = lines.pop()
        for line in lines:
            # Servers say the same again and again, and most replies have one line.
            for secret in self._hidden:
                line = line.replace(secret, LEFT_OUT.encode())
            whole = not self._lines and len(line) <= SHORT and line[3:4] != b"-"
            reply = _whole(line) if whole else self._line(line)
            if reply is not None:
                yield reply
        if len(self._tail) > MAX_LINE:
            raise MalformedReply(f"a reply line is longer than {MAX_LINE} octets")

    def _line(self, line: bytes) -> Reply | None:
        code, more, text = _parts(line)
        if self._lines and code != self._code:
            raise MalformedReply(f"the code changed inside one reply, from {self._code} to {code}")
        self._code = code
        self._octets += len(line)
        if len(self._lines) >= MAX_LINES or self._octets > MAX_REPLY:
            raise MalformedReply(f"a reply is longer than {MAX_LINES} lines or {MAX_REPLY} octets")
        self._lines.append(text)
        if more:
            return None
        reply = Reply(code, tuple(self._lines))
        self._lines, self._octets = [], 0
        return reply


@lru_cache(maxsize=256)
def _whole(line: bytes) -> Reply:
    """A reply of one line."""
    code, _, text = _parts(line)
    return Reply(code, (text,))


def _parts(line: bytes) -> tuple[int, bool, str]:
    """The code, whether another line follows, and the text."""
    if line.endswith(b"\r"):
        line = line[:-1]
    if len(line) > MAX_LINE:
        raise MalformedReply(f"a reply line is longer than {MAX_LINE} octets")
    code, separator = line[:3], line[3:4]
    if not (len(code) == 3 and code.isdigit() and b"2" <= code[:1] <= b"5" and separator in (b"", b" ", b"-")):
        raise MalformedReply(f"this isn't a reply: {escaped(line[:80].decode('utf-8', 'replace'))}")
    return int(code), separator == b"-", decoded(line[4:])


def decoded(octets: bytes) -> str:
    """UTF-8 where it is UTF-8 (RFC 6531 §3.7.4), else Latin-1: no octet gets lost, none can't be stored."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


@dataclass(frozen=True)
class Capabilities:
    """What EHLO offered: keyword in upper case to its parameters (RFC 5321 §4.1.1.1). Empty after HELO."""

    offered: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, reply: Reply) -> Capabilities:
        offered = {}
        for line in reply.lines[1:]:  # the first line greets
            keyword, _, parameters = line.strip().partition(" ")
            offered[keyword.upper()] = parameters.strip()
        return cls(offered)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.offered

    @cached_property
    def size(self) -> int | None:
        """The largest letter the server takes, in octets, or None where it names no limit (RFC 1870 §4)."""
        limit = self.offered.get("SIZE", "")
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 18):
            return None
        return int(limit) or None

    def limit(self, name: str) -> int | None:
        """A limit of the server's by its name, 1 or more, such as RCPTMAX or MAILMAX (RFC 9422 §4), or None."""
        for pair in self.offered.get("LIMITS", "").upper().split():
            key, _, value = pair.partition("=")
            if key == name and value.isascii() and value.isdigit() and len(value) <= 6:  # RFC 9422 §3: six digits
                return int(value) or None
        return None

    @cached_property
    def auth(self) -> frozenset[str]:
        return frozenset(self.offered.get("AUTH", "").upper().split())
