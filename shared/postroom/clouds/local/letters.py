"""Letters too large for a row of the database: a file each, complete or not there."""

from __future__ import annotations

import re
from pathlib import Path

from postroom.clouds.local.folders import write_once
from postroom.ports import Unavailable

_NAME = re.compile(r"[A-Za-z0-9_-]{2,200}")


class LetterFiles:
    """The files in `folder`, named `ab/<name>` by the first two characters of their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, packed: bytes) -> str:
        """Write the file unless it is there; durable on return. The path by which `get` finds it.

        Raises ValueError where `name` isn't plain, or `Unavailable`.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"a letter's name is letters, digits, '_' and '-': {name!r}")
        path = f"{name[:2]}/{name}"
        file = self._folder / path
        try:
            write_once(file, packed)
        except OSError as error:
            raise Unavailable(f"the letter {file} can't be written: {error}") from error
        return path

    def drop(self, name: str) -> None:
        """Erase the file of that name, where it is. Raises `Unavailable`."""
        file = self._folder / name[:2] / name
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"the letter {file} can't be erased: {error}") from error

    def get(self, path: str) -> bytes | None:
        """The file's bytes, or None once it is erased."""
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"the letter {self._folder / path} can't be read: {error}") from error
