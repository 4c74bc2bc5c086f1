"""The dispatcher: pushes the tasks of the queue to the functions, as Cloud Tasks does in the cloud.

It runs in a process of its own, one for each data folder. What is under way it knows only in its memory, so
a crash means that those tasks run again. A function answers 2xx when a task is done with; on anything else
the task is tried again, for ever: mail is given up by its own rules, never by the queue.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from os import close as close_descriptor
from types import MappingProxyType

from postroom.clouds.clock import now
from postroom.clouds.local.bell import Bell, Listener
from postroom.clouds.local.database import Database
from postroom.clouds.local.lane import Lane, QueueLimits
from postroom.clouds.local.locks import open_lock, try_lock
from postroom.clouds.local.push import Answer
from postroom.clouds.local.queue import Queue, Retry, Task
from postroom.ports import Unavailable

log = logging.getLogger(__name__)

ORDINARY = QueueLimits()
LONGEST_SLEEP = 1.0  # seconds after which it looks by itself, in case a ring was lost
SHORTEST_ROUND = 0.004  # seconds: what ends or comes due within them shares a transaction
QUIET = 10.0  # seconds in which the same trouble of the same queue is not told again
LONGEST_RETRY_AFTER = 3600.0  # seconds: no function can send a task away for longer


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a task that failed waits for its next push: doubling from `first` to `most` seconds."""

    first: float = 0.1
    most: float = 60.0

    def seconds(self, retries: int, luck: float) -> float:
        """For a task that was tried again `retries` times before; `luck` in [0, 1) spreads them."""
        return min(self.most, self.first * 2.0 ** min(retries, 40)) * (0.75 + 0.5 * luck)


class Dispatcher:
    """Pushes the tasks in `database` to `targets`: from the start of a queue's name to its function's URL.

    The longest start that fits decides; "" fits every queue. `proof` are headers by which a function knows who
    calls. `limits` are per queue, `default` is for the
    others. `push_deadline` is how many seconds a function may take to answer.
    """

    def __init__(
        self,
        database: Database,
        targets: Mapping[str, str],
        *,
        proof: Mapping[str, str] = MappingProxyType({}),
        limits: Mapping[str, QueueLimits] | None = None,
        default: QueueLimits = ORDINARY,
        push_deadline: float = 600.0,
        backoff: Backoff = Backoff(),
        most_threads: int = 256,
        grace: float = 10.0,
        clock: Callable[[], datetime] = now,
        luck: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._queue = Queue(database)
        self._targets = dict(targets)
        self._proof = proof
        self._limits = dict(limits or {})
        self._default = default
        self._deadline = push_deadline
        self._backoff = backoff
        self._most_threads = most_threads
        self._grace = grace
        self._clock = clock
        self._luck = luck
        self._lanes: dict[str, Lane] = {}
        self._homeless: set[str] = set()
        self._said: dict[tuple[str, str], float] = {}
        self._ended: deque[tuple[Task, Answer]] = deque()
        self._listener: Listener | None = None
        self._nudged = False
        self._stopping = False

    def run(self) -> None:
        """Push until `stop` is called. Waits while another dispatcher is at work in the same folder."""
        lock = open_lock(self._database.folder / "dispatcher.lock")
        try:
            self._listener = Bell(self._database.folder).listen()
            while not self._stopping and not try_lock(lock):
                self._listener.wait(0.2)
            if not self._stopping:
                self._push_until_stopped(self._listener)
        finally:
            close_descriptor(lock)
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.close()

    def stop(self) -> None:
        """Make `run` finish what is under way and return. Safe to call from a signal handler."""
        self._stopping = True
        if self._listener is not None:
            self._listener.nudge()

    def _push_until_stopped(self, listener: Listener) -> None:
        try:
            while not self._stopping:
                began = time.monotonic()
                try:
                    sleep = self._round()
                except Unavailable as error:
                    log.error("tasks wait: %s", error)
                    sleep = LONGEST_SLEEP
                listener.wait(sleep)
                left = SHORTEST_ROUND - (time.monotonic() - began)
                if left > 0:
                    time.sleep(left)
        finally:
            self._finish()

    def _round(self) -> float:
        """Note what has ended, hand out what is due; the seconds after which to look again."""
        self._nudged = False
        self._record()
        now, sleep = self._clock(), LONGEST_SLEEP
        for name in self._queue.names():
            lane = self._lanes.get(name) or self._open(name)
            if lane is not None:
                sleep = min(sleep, self._fill(lane, now))
        return sleep

    def _record(self) -> None:
        """Note what has ended, in one write. Raises `Unavailable`; it is noted the next time then."""
        ended = list(self._ended)
        if not ended:
            return
        now = self._clock()
        done = [task for task, answer in ended if answer.done]
        self._queue.record(done, [self._retry(task, answer, now) for task, answer in ended if not answer.done], now)
        for task, _ in ended:
            self._ended.popleft()
            self._lanes[task.queue].release(task)

    def _retry(self, task: Task, answer: Answer, now: datetime) -> Retry:
        wait = max(self._backoff.seconds(task.retries, self._luck()), min(answer.wait(now), LONGEST_RETRY_AFTER))
        self._complain(task, answer, wait)
        return Retry(task, now + timedelta(seconds=wait), answer.status, answer.reason)

    def _complain(self, task: Task, answer: Answer, wait: float) -> None:
        # When a function is away every task says so; one of them is enough to be told.
        said, now = (task.queue, answer.reason), time.monotonic()
        quiet = now - self._said.get(said, -QUIET) < QUIET
        if not quiet:
            self._said[said] = now
        log.log(
            logging.DEBUG if quiet else logging.WARNING,
            "queue %s, task %s: %s; again in %.1f s",
            task.queue,
            task.name,
            answer.reason,
            wait,
        )

    def _fill(self, lane: Lane, now: datetime) -> float:
        """Hand the lane what is due and what it has room for; the seconds after which to look again."""
        full = lane.full()
        room, sleep = lane.room(time.monotonic())
        if room == 0:
            return sleep
        while room > 0:
            # Those in hand are still in the queue, and may all be ahead of those that aren't.
            due = self._queue.due(lane.queue, now, lane.in_hand + room, full)
            fresh = [task for task in due if not lane.has(task)][:room]
            taken = sum(lane.take(task, self._may_start_another) for task in fresh)
            room -= taken
            if taken == len(fresh):
                break
            full = lane.full()  # and now those behind whoever had more than its share
        if room == 0:
            return lane.room(time.monotonic())[1]
        upcoming = self._queue.next_due(lane.queue, now)
        return LONGEST_SLEEP if upcoming is None else (upcoming - now).total_seconds()

    def _open(self, queue: str) -> Lane | None:
        fitting = [start for start in self._targets if queue.startswith(start)]
        if not fitting:
            if queue not in self._homeless:
                self._homeless.add(queue)
                log.error("queue %s waits: no function is named for it", queue)
            return None
        url = self._targets[max(fitting, key=len)]
        limits = self._limits.get(queue, self._default)
        lane = self._lanes[queue] = Lane(queue, url, limits, self._deadline, self._end, self._proof)
        return lane

    def _may_start_another(self) -> bool:
        return sum(lane.threads for lane in self._lanes.values()) < self._most_threads

    def _end(self, task: Task, answer: Answer) -> None:
        """Called by the lanes' threads."""
        self._ended.append((task, answer))
        if not self._nudged and self._listener is not None:
            self._nudged = True
            self._listener.nudge()

    def _finish(self) -> None:
        """Let what is under way end within the grace; what doesn't will run again."""
        end = time.monotonic() + self._grace
        for lane in self._lanes.values():
            lane.stop()
        for lane in self._lanes.values():
            lane.join(end)
        try:
            self._record()
        except Unavailable as error:
            log.error("tasks that have run will run again: %s", error)
        self._lanes.clear()
