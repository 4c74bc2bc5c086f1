"""What a client says, as frozen values. Each is answered by exactly one reply.

A command is built from parsed parts and refuses to hold a character that could end its line, so nothing
that a caller supplies can become a second command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from postroom.smtp.timeouts import Phase

# C0, space where a word must be one, DEL, C1 and the two Unicode line ends; a lone surrogate can't be encoded.
_ENDS_A_WORD = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# In a path only a quoted local part may hold a space or an angle bracket (RFC 5321 §4.1.2).
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PATH = re.compile(r'(?:"(?>(?:[^"\\]|\\.)*)"|[^\s<>"@]++)@[^\s<>"@]++')


class UnsafeCommand(ValueError):
    """A part of a command holds a character that must not reach the wire."""


class Command:
    """One thing said. `encode` is what goes out, `shown` what the transcript may keep of it."""

    __slots__ = ()
    phase: ClassVar[Phase] = Phase.COMMAND

    def line(self) -> str:
        raise TypeError(f"{type(self).__name__} isn't a command line")

    def encode(self) -> bytes:
        return self.line().encode() + b"\r\n"

    def shown(self) -> str:
        return self.line()

    def spoken(self) -> tuple[bytes, str]:
        """`encode` and `shown`, made in one."""
        line = self.line()
        return line.encode() + b"\r\n", line


def _word(text: str) -> str:
    if (" " in text or not text.isprintable()) and _ENDS_A_WORD.search(text):
        raise UnsafeCommand(f"{text!r} holds a space or a control character")
    return text


def _path(address: str) -> str:
    controls = not address.isprintable() and _CONTROL.search(address)
    if address and (controls or not _PATH.fullmatch(address)):
        raise UnsafeCommand(f"{address!r} is not an address that can stand between angle brackets")
    return f"<{address}>"


def _parameters(parameters: tuple[str, ...]) -> str:
    return "".join([f" {_word(each)}" for each in parameters]) if parameters else ""


@dataclass(frozen=True, slots=True)
class Greeting(Command):
    """Nothing said yet: the server speaks first."""

    phase: ClassVar[Phase] = Phase.GREETING

    def encode(self) -> bytes:
        return b""

    def spoken(self) -> tuple[bytes, str]:
        return b"", ""


@dataclass(frozen=True, slots=True)
class Ehlo(Command):
    name: str

    def line(self) -> str:
        return f"EHLO {_word(self.name)}"


@dataclass(frozen=True, slots=True)
class Helo(Command):
    name: str

    def line(self) -> str:
        return f"HELO {_word(self.name)}"


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    def line(self) -> str:
        return "STARTTLS"


@dataclass(frozen=True, slots=True)
class MailFrom(Command):
    address: str  # empty for the null reverse-path
    parameters: tuple[str, ...] = ()

    def line(self) -> str:
        return f"MAIL FROM:{_path(self.address)}{_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class RcptTo(Command):
    address: str
    parameters: tuple[str, ...] = ()

    def line(self) -> str:
        return f"RCPT TO:{_path(self.address)}{_parameters(self.parameters)}"


@dataclass(frozen=True, slots=True)
class Data(Command):
    phase: ClassVar[Phase] = Phase.DATA

    def line(self) -> str:
        return "DATA"


SLICE = 256 * 1024
"""Octets of a large letter that are handed over at a time: what isn't on the wire yet needn't be copied yet."""


@dataclass(frozen=True, slots=True)
class Content(Command):
    """The letter after a 354, dots stuffed (RFC 5321 §4.5.2), and the final dot."""

    octets: bytes = field(repr=False)
    digest: str = ""  # SHA-256, in hexadecimal
    phase: ClassVar[Phase] = Phase.FINAL

    def encode(self) -> bytes:
        return b"".join(self.slices())

    def slices(self) -> Iterator[bytes]:
        """`encode`, a piece at a time."""
        for piece in self._pieces():
            stuffed = b"." + piece if piece[:1] == b"." else piece
            yield stuffed.replace(b"\r\n.", b"\r\n..") if b"\r\n." in stuffed else stuffed
        yield b".\r\n"

    def shown(self) -> str:
        return f"({len(self.octets)} octets, sha256 {self.digest}) ."

    def spoken(self) -> tuple[bytes, str]:
        return self.encode(), self.shown()

    def _pieces(self) -> Iterator[bytes]:
        """The letter cut behind ends of lines, so that a dot at the start of a line is at the start of a piece too."""
        octets, start = self.octets, 0
        while len(octets) - start > SLICE:
            end = octets.find(b"\n", start + SLICE) + 1 or len(octets)
            yield octets[start:end]
            start = end
        yield octets[start:] if start else octets


@dataclass(frozen=True, slots=True)
class Bdat(Content):
    """The letter as one chunk, which is the last (RFC 3030 §2): as it is, without stuffed dots and a final one."""

    def encode(self) -> bytes:
        return b"BDAT %d LAST\r\n%b" % (len(self.octets), self.octets)

    def slices(self) -> Iterator[bytes]:
        yield b"BDAT %d LAST\r\n" % len(self.octets)
        yield from self._pieces()

    def shown(self) -> str:
        return f"BDAT {len(self.octets)} LAST ({len(self.octets)} octets, sha256 {self.digest})"


@dataclass(frozen=True, slots=True)
class NoContent(Command):
    """The lone dot that a server gets which says 354 though it refused every recipient (RFC 2920 §3.1)."""

    phase: ClassVar[Phase] = Phase.FINAL

    def line(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Rset(Command):
    def line(self) -> str:
        return "RSET"


@dataclass(frozen=True, slots=True)
class Quit(Command):
    phase: ClassVar[Phase] = Phase.QUIT

    def line(self) -> str:
        return "QUIT"
