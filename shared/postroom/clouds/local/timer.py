"""The timer of one machine: calls a function every so often, as Cloud Scheduler does."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from threading import Event, Thread

from postroom.clouds.local.push import Pusher

log = logging.getLogger(__name__)


class Timer:
    """Posts to `url` every `every`, from a thread of its own, and waits at most `deadline` for each answer."""

    def __init__(self, url: str, every: timedelta, proof: Mapping[str, str], deadline: timedelta) -> None:
        self._pusher = Pusher(url, deadline.total_seconds())
        self._every = every.total_seconds()
        self._proof = proof
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="timer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Make no more calls, and cut off the one that is being made: a sweep may end anywhere."""
        self._stopping.set()
        self._pusher.abort()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            answer = self._pusher.push({"Content-Type": "application/json", **self._proof}, b"{}")
            if not answer.done and not self._stopping.is_set():
                log.warning("the sweep failed: %s; again in %.0f s", answer.reason, self._every)
        self._pusher.close()
