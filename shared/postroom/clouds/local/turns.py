"""Whose turn it is in a lane: how many of its tasks for one destination may be under way at the same time.

What happens at a destination is known only when a task ends, so each begins with a share of the workers. Every task
that ends soon earns its destination one more; one that doesn't costs it all that it had earned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from time import monotonic

from postroom.clouds.local.queue import Task

SLOW = 5.0
"""Seconds after which a task that is still under way counts as slow, and its destination with it."""

SLOW_EACH = 0.5
"""Seconds more for each further letter of a task: so long do servers think that are well."""

_AHEAD = 16  # tasks of a destination in hand beyond twice those that may be under way
_MOST = 10_000  # destinations remembered


@dataclass(slots=True)
class _Destination:
    window: int  # tasks that may be under way
    slow: bool = False
    admitted: int = 0  # tasks under way, or next in line for a worker
    waiting: deque[Task] = field(default_factory=deque)
    late_at: dict[int, float] = field(default_factory=dict)  # of tasks under way, by their numbers

    @property
    def idle(self) -> bool:
        return not self.admitted and not self.waiting


class Turns:
    """Of a lane with so many workers. `admit` is called with each task once its turn has come.

    A slow destination has an eighth of the workers, all the slow ones together half of them, and where there are
    others, no destination ever has them all. A task without a destination waits for nobody. Safe for threads.
    """

    def __init__(self, workers: int, admit: Callable[[Task], None], clock: Callable[[], float] = monotonic) -> None:
        self._workers = workers
        self._share = max(2, workers // 8)
        self._admit = admit
        self._clock = clock
        self._known: dict[str, _Destination] = {}
        self._busy: dict[str, _Destination] = {}  # those of them that have tasks in hand
        self._lock = Lock()

    def add(self, task: Task) -> bool:
        """Admit the task, at once or after others for its destination; False where too many wait for that."""
        with self._lock:
            there = self._destination(task)
            if there is None or task.destination is None:
                self._admit(task)
                return True
            if self._is_full(there):
                return False
            self._busy[task.destination] = there
            there.waiting.append(task)
            self._move_up(there)
            return True

    def begins(self, task: Task) -> None:
        with self._lock:
            there = self._destination(task)
            if there is not None:
                there.late_at[task.number] = self._clock() + SLOW + SLOW_EACH * (task.letters - 1)

    def ends(self, task: Task) -> None:
        with self._lock:
            there = self._destination(task)
            if there is None:
                return
            late_at = there.late_at.pop(task.number, None)
            there.admitted -= 1
            if late_at is not None and self._clock() > late_at:
                self._slow_down(there)
            elif not there.slow or not self._is_stuck(there):
                there.slow = False
                there.window = min(self._workers, there.window + 1)
            for each in self._busy.values() if there.slow else (there,):
                self._move_up(each)
            if there.idle and task.destination is not None:
                self._busy.pop(task.destination, None)

    def look(self) -> list[Task]:
        """Find out who is slow by now. Tasks that wait for those are handed back: let others have their places."""
        with self._lock:
            back: list[Task] = []
            for each in self._busy.values():
                if self._is_stuck(each):
                    self._slow_down(each)
                    back += each.waiting
                    each.waiting.clear()
            return back

    def full(self) -> list[str]:
        """The destinations of which no more tasks should be taken in hand."""
        with self._lock:
            return [name for name, each in self._busy.items() if self._is_full(each)]

    def clear(self) -> None:
        """Forget those that wait."""
        with self._lock:
            for each in self._busy.values():
                each.waiting.clear()

    def _destination(self, task: Task) -> _Destination | None:
        if task.destination is None:
            return None
        if task.destination not in self._known:
            if len(self._known) >= _MOST:
                self._known = dict(self._busy)
            self._known[task.destination] = _Destination(self._share)
        return self._known[task.destination]

    def _move_up(self, there: _Destination) -> None:
        while there.waiting and self._has_room(there):
            there.admitted += 1
            self._admit(there.waiting.popleft())

    def _has_room(self, there: _Destination) -> bool:
        if there.slow:
            together = sum(each.admitted for each in self._busy.values() if each.slow)
            return there.admitted < self._share and together < max(self._share, self._workers // 2)
        most = self._workers if len(self._known) == 1 else max(self._share, self._workers * 3 // 4)
        return there.admitted < min(there.window, most)

    def _is_full(self, there: _Destination) -> bool:
        if there.slow:
            return not self._has_room(there)
        return there.admitted + len(there.waiting) >= 2 * there.window + _AHEAD

    def _is_stuck(self, there: _Destination) -> bool:
        return self._clock() > min(there.late_at.values(), default=inf)

    def _slow_down(self, there: _Destination) -> None:
        there.slow, there.window = True, self._share
