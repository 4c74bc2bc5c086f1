"""The processes of a house, found in /proc by the data folder that each was told of."""

from __future__ import annotations

from pathlib import Path

PARTS = ("submit", "deliver", "dispatcher")


def processes_of(folder: Path) -> dict[int, str]:
    """By pid the part each plays: the supervisor, the functions' masters and workers, the dispatcher."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"POSTROOM_DATA={folder}" in _words(entry / "environ"):
                command = _words(entry / "cmdline")
                found[int(entry.name)] = next((part for part in PARTS if part in command), "supervisor")
        except OSError:
            continue  # it ended, or is somebody else's
    return found


def variables_of(pid: int) -> set[str]:
    """The names in its environment. Raises OSError where it has ended."""
    return {line.partition("=")[0] for line in _words(Path(f"/proc/{pid}/environ"))}


def _words(file: Path) -> list[str]:
    return file.read_bytes().decode(errors="replace").split("\0")
