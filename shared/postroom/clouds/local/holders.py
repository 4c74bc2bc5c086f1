"""Who holds claims on this machine, and whether they still live.

A process that claims holds a lock on a file of its own name for as long as it lives. The kernel frees the
lock with the process, so a claim whose holder's file nobody has locked is a dead worker's.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock
from uuid import uuid4

from postroom.clouds.local.locks import try_lock
from postroom.ports import Unavailable

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")


class LocalHolders:
    """Implements `Holders` by the files in `folder`. A holder's name is used by one process and never again."""

    look_again = timedelta(seconds=5)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = Lock()
        self._ours: dict[str, int] = {}

    def live_as(self, name: str) -> None:
        """Be known as alive under `name` until this process ends.

        Raises ValueError where it isn't a plain name or is another living process's, or `Unavailable`.
        """
        if name in self._ours:
            return
        if not _NAME.fullmatch(name):
            raise ValueError(f"a holder's name is letters, digits, '.', '_' and '-': {name!r}")
        with self._mutex:
            if name in self._ours:
                return
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._bury_the_dead()
                self._ours[name] = self._publish(name)
            except FileExistsError as error:
                raise ValueError(f"another process lives under the name {name!r}") from error
            except OSError as error:
                raise Unavailable(f"no lock can be held in {self._folder}: {error}") from error

    def is_dead(self, name: str) -> bool:
        """Whether the process of that name has ended. Raises `Unavailable` where nobody can tell."""
        if name in self._ours:
            return False
        if not _NAME.fullmatch(name):
            return True  # nobody can live under such a name
        try:
            return self._bury_if_dead(name)
        except OSError as error:
            raise Unavailable(f"the lock {self._folder / name} can't be tested: {error}") from error

    def close(self) -> None:
        """Be dead, as if this process had ended."""
        with self._mutex:
            while self._ours:
                name, descriptor = self._ours.popitem()
                with suppress(FileNotFoundError):
                    (self._folder / name).unlink()
                os.close(descriptor)

    def _publish(self, name: str) -> int:
        # It is locked before anybody can see it: a file that is there and not locked must mean a death.
        unseen = self._folder / f".{uuid4().hex}"
        descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if not try_lock(descriptor):
                raise BlockingIOError(f"{unseen} is locked by somebody else")
            os.link(unseen, self._folder / name)
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            unseen.unlink()
        return descriptor

    def _bury_if_dead(self, name: str) -> bool:
        try:
            descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            # Shared, so that two who look at a dead one at the same time both see it dead.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            with suppress(FileNotFoundError):
                (self._folder / name).unlink()
            return True
        finally:
            os.close(descriptor)

    def _bury_the_dead(self) -> None:
        for name in os.listdir(self._folder):
            if _NAME.fullmatch(name) and name not in self._ours:
                self._bury_if_dead(name)
