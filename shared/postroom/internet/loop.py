"""One event loop per process, in a thread of its own, to which the functions' threads hand their work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread
from typing import Any, TypeVarTuple

Given = TypeVarTuple("Given")


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: it halves the cost of a session."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


MOST_QUESTIONS = 64
"""To DNS, at once."""


class Background:
    """Starts its loop at the first use, and again in a process that was forked since."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pid = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them only weakly

    def start(self, work: Callable[[*Given], Coroutine[Any, Any, None]], *given: *Given) -> None:
        """Run `work` on the loop. Nobody waits for it: it tells by itself how it ended."""
        self.call(self._begin, work, given)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call `function` on the loop, soon."""
        self._running().call_soon_threadsafe(function, *arguments)

    def _begin(self, work: Callable[..., Coroutine[Any, Any, None]], given: tuple[Any, ...]) -> None:
        task = asyncio.get_running_loop().create_task(work(*given))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._pid != os.getpid():
            with self._lock:
                if self._loop is None or self._pid != os.getpid():
                    loop = new_loop()
                    # Questions to DNS wait there: a few that nobody answers must not hold up all others.
                    loop.set_default_executor(ThreadPoolExecutor(MOST_QUESTIONS, "postroom-dns"))
                    Thread(target=loop.run_forever, name="postroom-wire", daemon=True).start()
                    self._loop, self._pid, self._tasks = loop, os.getpid(), set()
        return self._loop
