"""Work that is done side by side, and waited for no longer than the time there is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Given = TypeVarTuple("Given")


def begin(work: Callable[[*Given], T], *given: *Given) -> Future[T]:
    """Do `work` in a thread of its own, for whose end no process waits."""
    done: Future[T] = Future()

    def do() -> None:
        try:
            done.set_result(work(*given))
        except BaseException as error:
            done.set_exception(error)

    Thread(target=do, name="postroom-preflight", daemon=True).start()
    return done


def result(work: Future[T], seconds: float) -> T | None:
    """What came of it within that time, None where it is still under way."""
    wait([work], max(0.0, seconds))
    return work.result() if work.done() else None
