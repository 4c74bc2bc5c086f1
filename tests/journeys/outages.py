"""Outages of a house on one machine, where no gate can stand before the store or the queue."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from postroom.clouds.local.locks import open_lock
from tests.journeys.office import eventually
from tests.journeys.processes import is_still, processes_of


class Disk:
    """A barrier before the store: while it is shut, whoever wants to write waits."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "write.lock"
        self._lock: int | None = None

    def shut(self) -> None:
        self._lock = open_lock(self._file)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def open(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def losing_tasks(folder: Path) -> Iterator[None]:
    """The queue loses every task that is put within."""
    dispatchers = [pid for pid, part in processes_of(folder).items() if part == "dispatcher"]
    disk = Disk(folder)
    disk.shut()  # a dispatcher that stands still in the middle of a write would keep everybody from writing
    try:
        for pid in dispatchers:
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda: all(map(is_still, dispatchers)))
    finally:
        disk.open()
    try:
        yield
        with closing(sqlite3.connect(folder / "postroom.sqlite3", timeout=10)) as connection, connection:
            connection.execute("DELETE FROM tasks WHERE done_at IS NULL")
    finally:
        for pid in dispatchers:
            os.kill(pid, signal.SIGCONT)


class FullDisk:
    """A barrier before the store: while it is shut, nothing can be written on the disk at `folder`."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def shut(self) -> None:
        with suppress(OSError), open(self._ballast, "wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def open(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[FullDisk]:
    """A file system of a few megabytes at `folder`. Needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    try:
        yield FullDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
