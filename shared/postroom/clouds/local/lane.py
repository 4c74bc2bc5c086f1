"""One queue's lane in the dispatcher: the tasks in hand, the threads that push them, the limits they keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from types import MappingProxyType

from postroom.clouds.local.push import Answer, Pusher, headers
from postroom.clouds.local.queue import Task
from postroom.clouds.local.turns import Turns

_AHEAD = 16  # tasks in hand beyond those being pushed, at least, so that a thread needn't wait for the next
_IDLE = 5.0  # seconds after which a thread without work closes its connection
_BURST = 0.1  # seconds of its rate that a queue may use at once


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many of a queue's tasks may run at the same time, and how many letters may begin in a second."""

    concurrency: int = 64
    rate_per_second: float | None = None


class Lane:
    """Pushes the tasks of `queue` to `url`, and calls `end` from its threads with what became of each.

    `proof` are the headers by which the function knows who calls.
    """

    def __init__(
        self,
        queue: str,
        url: str,
        limits: QueueLimits,
        deadline: float,
        end: Callable[[Task, Answer], None],
        proof: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.queue = queue
        self._url = url
        self._limits = limits
        self._deadline = deadline
        self._end = end
        self._proof = proof
        self._held: set[int] = set()
        self._ready: SimpleQueue[Task | None] = SimpleQueue()
        self._turns = Turns(limits.concurrency, self._ready.put)
        self._threads: list[tuple[Thread, Pusher]] = []
        self._tokens = self._most_tokens = max(1.0, (limits.rate_per_second or 0.0) * _BURST)
        self._counted_at = monotonic()

    @property
    def in_hand(self) -> int:
        return len(self._held)

    @property
    def threads(self) -> int:
        return len(self._threads)

    def has(self, task: Task) -> bool:
        return task.number in self._held

    def room(self, now: float) -> tuple[int, float]:
        """How many tasks it would take at the monotonic `now`; where that is none, in how many seconds to ask again."""
        rate = self._limits.rate_per_second
        if rate is None:
            ahead = max(_AHEAD, self._limits.concurrency)
            return max(0, self._limits.concurrency + ahead - len(self._held)), 1.0
        self._tokens = min(self._most_tokens, self._tokens + (now - self._counted_at) * rate)
        self._counted_at = now
        # Nothing is taken ahead here: a task that waited in hand would begin later than its token said.
        room = min(int(self._tokens), self._limits.concurrency - len(self._held))
        return max(0, room), (1.0 - self._tokens) / rate if self._tokens < 1.0 else 1.0

    def take(self, task: Task, may_start_another: Callable[[], bool]) -> bool:
        """Push the task as soon as a thread is free and its turn has come; False where its destination has its share.

        It may be offered again once the destination is no more among those of `full`.
        """
        if not self._turns.add(task):
            return False
        self._held.add(task.number)
        if self._limits.rate_per_second is not None:
            self._tokens -= task.letters
        wanted = min(len(self._held), self._limits.concurrency)
        # Each lane is sure of one thread, whatever the others have.
        if self.threads < wanted and (not self._threads or may_start_another()):
            pusher = Pusher(self._url, self._deadline)
            thread = Thread(target=self._work, args=(pusher,), name=f"push {self.queue}", daemon=True)
            self._threads.append((thread, pusher))
            thread.start()
        return True

    def full(self) -> list[str]:
        """The destinations whose tasks it wouldn't take. Those in hand that wait for a slow one it hands back."""
        for task in self._turns.look():
            self._held.discard(task.number)
        return self._turns.full()

    def release(self, task: Task) -> None:
        """Forget a task whose end is recorded."""
        self._held.discard(task.number)

    def stop(self) -> None:
        """Begin nothing more."""
        self._turns.clear()
        try:
            while True:
                self._ready.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._ready.put(None)

    def join(self, end: float) -> None:
        """Wait for the threads until the monotonic `end`, then cut off what they are waiting for."""
        for thread, pusher in self._threads:
            thread.join(max(0.0, end - monotonic()))
            if thread.is_alive():
                pusher.abort()
                thread.join(1.0)

    def _work(self, pusher: Pusher) -> None:
        try:
            while True:
                try:
                    task = self._ready.get(timeout=_IDLE)
                except Empty:
                    pusher.close()
                    task = self._ready.get()
                if task is None:
                    return
                self._turns.begins(task)
                answer = pusher.push({**headers(task), **self._proof}, task.body)
                self._turns.ends(task)
                self._end(task, answer)
        finally:
            pusher.close()
