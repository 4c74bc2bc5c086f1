"""A CSV file (RFC 4180) as rows with names for their cells, each with the line that it begins on."""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

LONGEST_LINE = 1 << 20  # octets
REFUSAL = "postroom-error"
"""The column in which refused rows tell why, where they are written out. Reading passes over it."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_OTHER_DELIMITERS = {";": "';'", "\t": "tab", "|": "'|'"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class SheetError(ValueError):
    """The file can't be read, or not any further; the text names the line where there is one."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one row."""

    line: int
    what: str
    column: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}{f', column {self.column}' if self.column else ''}: {self.what}"


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the file."""

    line: int  # that it begins on, the file's first being 1
    cells: Mapping[str, str]


class Sheet:
    """Reads a file once, a line at a time: in UTF-8, with or without its mark, lines ended by CRLF or LF.

    Raises `SheetError` as soon as it is made where the first row can't be names of columns.
    """

    def __init__(self, file: BinaryIO, delimiter: str = ",") -> None:
        self._digest = hashlib.sha256()
        self._reader = csv.reader(self._lines(file), delimiter=delimiter, strict=True)
        line, header = next(self._records(), (1, []))
        self.columns = tuple(name.strip() for name in header)
        self._check(line, delimiter)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of what has been read so far."""
        return self._digest.hexdigest()

    def rows(self) -> Iterator[Row | Flaw]:
        """All that follow, blank lines left out. Raises `SheetError`."""
        for line, cells in self._records():
            if len(cells) != len(self.columns):
                yield Flaw(line, f"{counted(len(cells), 'cell')}, and there are {counted(len(self.columns), 'column')}")
                continue
            row = Row(line, {name: cell for name, cell in zip(self.columns, cells, strict=True) if name != REFUSAL})
            bad = next((name for name, cell in row.cells.items() if _CONTROLS.search(cell)), None)
            yield row if bad is None else Flaw(line, "it holds a control character", bad)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise SheetError(f"line {line}: {_explained(str(error))}") from error
            if cells:
                yield line, cells

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            self._digest.update(raw)
            if number == 1:
                if raw.startswith(_UTF16):
                    raise SheetError("it is in UTF-16; save it as CSV in UTF-8")
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if len(raw) > LONGEST_LINE:
                raise SheetError(f"line {number} is longer than {LONGEST_LINE:,} octets, so this is no CSV file")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                column = self._reader.dialect.delimiter.encode()
                place = raw.count(column, 0, error.start) + 1
                found = f"octet 0x{raw[error.start]:02X} behind {raw[: error.start].decode()[-20:]!r}"
                raise SheetError(
                    f"line {number}, column {place}: {found} isn't UTF-8; save it as CSV in UTF-8"
                ) from error

    def _check(self, line: int, delimiter: str) -> None:
        if not self.columns:
            raise SheetError("it is empty; its first line must name the columns")
        if len(self.columns) == 1:
            for other, name in _OTHER_DELIMITERS.items():
                if other in self.columns[0] and other != delimiter:
                    raise SheetError(f"line {line}: its columns seem to be separated by {name}: --delimiter {name}")
        for number, name in enumerate(self.columns, 1):
            if not name:
                raise SheetError(f"line {line}: column {number} has no name")
            if "@" in name:
                raise SheetError(f"line {line}: it must name the columns, and column {number} is {name!r}, an address")
            if name in self.columns[: number - 1]:
                raise SheetError(f"line {line}: two columns are called {name!r}")


def counted(number: int, noun: str, several: str = "") -> str:
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def _explained(error: str) -> str:
    """The words of the standard library's reader in those of somebody who looks at the file."""
    if "field larger" in error:
        return f"a cell is longer than {csv.field_size_limit():,} characters; is a quote never closed?"
    if "unexpected end" in error:
        return "a quote is opened in it and never closed"
    if "expected after" in error:
        return "a cell goes on behind its closing quote; within quotes, a quote is written twice"
    if "new-line character" in error:
        return "lines end with a bare CR; save the file with CRLF or LF"
    return error
