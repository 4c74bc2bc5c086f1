"""The bell that wakes the dispatcher: a named pipe, so that processes which only share a folder can ring it."""

from __future__ import annotations

import os
import select
import stat
import weakref
from contextlib import suppress
from pathlib import Path


class Bell:
    """The pipe `wake` in `folder`. A ring that nobody hears is lost, so the listener must look by itself too."""

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / "wake"
        self._rope: int | None = None  # a descriptor of the pipe, which stays where it is when listeners come and go

    def ring(self) -> None:
        """Wake the listener, if there is one. Never waits, never fails."""
        with suppress(OSError):
            if self._rope is None:
                self._rope = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                weakref.finalize(self, os.close, self._rope)
            os.write(self._rope, b"\0")

    def listen(self) -> Listener:
        """Make the pipe if it isn't there, and listen at it. Raises OSError."""
        try:
            os.mkfifo(self._pipe, 0o600)
        except FileExistsError:
            if not stat.S_ISFIFO(self._pipe.stat().st_mode):
                raise
        # Opened for writing too, so that it never ends when the last of those who ring goes away.
        return Listener(os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))


class Listener:
    """The listening end. `nudge` is for the listener's own threads and signal handlers."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Return at the next ring or nudge since the last `wait`, or when `seconds` are over."""
        if self._poll.poll(seconds * 1000):
            with suppress(BlockingIOError):
                os.read(self._descriptor, 65536)

    def nudge(self) -> None:
        with suppress(OSError):
            os.write(self._descriptor, b"\0")

    def close(self) -> None:
        os.close(self._descriptor)
