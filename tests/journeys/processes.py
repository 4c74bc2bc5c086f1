"""The processes of a house, found in /proc by the data folder that each was told of."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

PARTS = {part: part for part in ("submit", "deliver", "notify", "dispatcher", "sweep")} | {
    "tests.homes.cloudtasks": "dispatcher"
}
"""What each process of a house is, by a word of its command line."""


def processes_of(folder: Path) -> dict[int, str]:
    """By pid the part each plays: the supervisor, the functions' masters and workers, the dispatcher."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"POSTROOM_DATA={folder}" in words_of(int(entry.name), "environ"):
                command = words_of(int(entry.name), "cmdline")
                found[int(entry.name)] = next((PARTS[word] for word in command if word in PARTS), "supervisor")
        except OSError:
            continue  # it ended, or is somebody else's
    return found


def kill(folder: Path, part: str) -> None:
    """SIGKILL for every process of the part, all at one moment: no master may start another worker in between."""
    players = [pid for pid, played in processes_of(folder).items() if played == part]
    for each in (signal.SIGSTOP, signal.SIGKILL):
        for pid in players:
            with suppress(ProcessLookupError):
                os.kill(pid, each)


def is_still(pid: int) -> bool:
    """Whether it has been stopped, as by SIGSTOP."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "T"


def connected_to(folder: Path, port: int) -> int:
    """The process of the house that has a connection to that port of the loopback."""
    wanted = f"{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(f":{wanted}") and row[3] == "01"}
    for pid in processes_of(folder):
        with suppress(OSError):
            if any(os.readlink(each) in sockets for each in Path(f"/proc/{pid}/fd").iterdir()):
                return pid
    raise AssertionError(f"nobody of the house is connected to {port}")


def variables_of(pid: int) -> set[str]:
    """The names in its environment. Raises OSError where it has ended."""
    return {line.partition("=")[0] for line in words_of(pid, "environ")}


def words_of(pid: int, file: str) -> list[str]:
    """Its command line or its environment. Raises OSError where it has ended."""
    return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace").split("\0")
