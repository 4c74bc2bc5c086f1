"""Folders on the disk. What is made or renamed in one lasts only once the folder itself is flushed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4


def make_folder(folder: Path) -> None:
    """Make it and its parents, for this user alone, durable on return. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    flush_folder(folder.parent)


def write_once(file: Path, content: bytes) -> None:
    """Write the file, for this user alone, unless it is there: complete or not at all, durable on return.

    Of several who write it at once the first is kept. Raises OSError.
    """
    with _written_beside(file, content) as written, suppress(FileExistsError):
        os.link(written, file)


def write_over(file: Path, content: bytes) -> None:
    """Write the file, for this user alone, over what is there: it is the old or the new, durable on return.

    Raises OSError.
    """
    with _written_beside(file, content) as written:
        written.replace(file)


@contextmanager
def _written_beside(file: Path, content: bytes) -> Iterator[Path]:
    """A file of another name with this content, durable; it goes, and what was done with it meanwhile lasts."""
    make_folder(file.parent)
    unfinished = file.with_name(f".{uuid4().hex}")
    try:
        with open(unfinished, "xb", opener=_private) as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        yield unfinished
    finally:
        with suppress(OSError):
            unfinished.unlink()
    flush_folder(file.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def flush_folder(folder: Path) -> None:
    """Make the names in it durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
