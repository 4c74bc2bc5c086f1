"""A message as others wrote it: header and body, and the parts that it is made of (RFC 5322 §2, RFC 2045, RFC 2046).

It reads what real systems send, not only what is right: any line ends, a header whose blank line is missing, parts
that end with the message, charsets that aren't what they say. It never fails, and its time grows with the octets alone.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass

from postroom.smtp.reply import decoded

MOST_FIELDS = 1000  # of one header; what follows counts as body
LONGEST_HEADER = 256 * 1024  # octets, likewise
MOST_PARTS = 100  # of a whole message
DEEPEST = 8  # parts within parts
LONGEST = 4096  # characters of a field that are read

# RFC 5322 §2.2 has all of ASCII in names, and nobody uses it: JSON would be a header. The blank is obsolete (§4.5).
_FIELD = re.compile(rb"([A-Za-z0-9_.-]{1,76})[ \t]*:(.*)", re.DOTALL)
_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?>(?:[^"\\]|\\.)*))"|([^\s;"]++))', re.DOTALL)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_COMMENT = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Entity:
    """A header and what it describes: a message, or one of its parts (RFC 2045 §2.4)."""

    fields: tuple[tuple[str, str], ...]  # names in lower case, values unfolded
    body: bytes

    @classmethod
    def read(cls, octets: bytes) -> Entity:
        fields, end = read_fields(octets)
        return cls(fields, octets[end:])

    def values(self, name: str) -> Iterator[str]:
        """Those of every field of that name, which is given in lower case."""
        return (value for each, value in self.fields if each == name)

    def first(self, name: str) -> str:
        return next(self.values(name), "")

    @property
    def media_type(self) -> str:
        """In lower case, without parameters (RFC 2045 §5)."""
        return without_comments(self.first("content-type")).partition(";")[0].strip().lower() or "text/plain"

    def parameter(self, name: str) -> str:
        """That of the content type, or nothing."""
        for key, quoted, plain in _PARAMETER.findall(self.first("content-type")):
            if key.lower() == name:
                return re.sub(r"\\(.)", r"\1", quoted) if quoted else str(plain)
        return ""

    @property
    def content(self) -> bytes:
        """The body without its transfer encoding (RFC 2045 §6)."""
        match without_comments(self.first("content-transfer-encoding")).strip().lower():
            case "base64":
                digits = _NOT_BASE64.sub(b"", self.body)
                digits = digits[: len(digits) - (len(digits) % 4 == 1)]
                return a2b_base64(digits + b"=" * (-len(digits) % 4))
            case "quoted-printable":
                return a2b_qp(self.body)
            case _:
                return self.body

    @property
    def text(self) -> str:
        return decoded(self.content)

    def leaves(self) -> Iterator[Entity]:
        """The parts that aren't multiparts themselves, in their order; of what isn't one, itself."""
        waiting, number = [(self, 0)], 0
        while waiting and number < MOST_PARTS:
            entity, depth = waiting.pop()
            boundary = entity.parameter("boundary") if entity.media_type.startswith("multipart/") else ""
            number += 1
            if not boundary or depth >= DEEPEST:
                yield entity
                continue
            inner = [Entity.read(octets) for octets in _split(entity.body, boundary)]
            waiting += [(each, depth + 1) for each in reversed(inner)]


def read_fields(octets: bytes, start: int = 0) -> tuple[tuple[tuple[str, str], ...], int]:
    """The header that begins there, and where what follows it begins.

    It ends with a blank line, or before a line that can't be of a header.
    """
    lines: list[tuple[str, list[bytes]]] = []
    last = min(len(octets), start + LONGEST_HEADER)
    while start < last and len(lines) < MOST_FIELDS:
        end = octets.find(b"\n", start) + 1 or len(octets)
        line = octets[start : min(end, start + LONGEST)].rstrip(b"\r\n")
        if not line:
            return _unfolded(lines), end
        if line[:1] in b" \t":
            if lines:
                lines[-1][1].append(line)
        elif match := _FIELD.fullmatch(line):
            lines.append((match[1].decode("ascii").lower(), [match[2]]))
        elif lines or not line.startswith((b"From ", b">From ")):  # how mailboxes of the old kind part letters
            break
        start = end
    return _unfolded(lines), start


def without_comments(value: str) -> str:
    """A structured field's value without what stands in parentheses (RFC 5322 §3.2.2), three deep at most."""
    for _ in range(3):
        value = _COMMENT.sub(" ", value) if "(" in value else value
    return value


def _unfolded(lines: list[tuple[str, list[bytes]]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, decoded(b" ".join(map(bytes.strip, pieces)).strip()[:LONGEST])) for name, pieces in lines)


def _split(body: bytes, boundary: str) -> Iterator[bytes]:
    """The parts between the boundary's lines (RFC 2046 §5.1.1); the last one may be cut off."""
    octets = boundary.encode("utf-8", "surrogatepass")
    line = re.compile(rb"^--" + re.escape(octets) + rb"(--)?[ \t]*+\r?$", re.MULTILINE)
    start = None
    for number, match in enumerate(line.finditer(body)):
        if start is not None:
            yield body[start : match.start()].removesuffix(b"\n").removesuffix(b"\r")
            start = None
        if match[1] or number >= MOST_PARTS:
            return
        start = match.end() + 1
    if start is not None:
        yield body[start:]
