"""Requests that are repeated, the same each time, while the API can't be reached or has too much to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from postroom.client import ApiError, Client

FIRST, LONGEST = 0.5, 30.0
"""Seconds between a failure and the repeat: the first time, and at most."""


class Patience:
    """Asks a client again until it answers, or until it hasn't for `seconds`."""

    def __init__(
        self,
        client: Client,
        seconds: float,
        told: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.seconds = seconds
        self.told = told
        self.clock = clock
        self.sleep = sleep

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """What the client answers. Raises `ApiError`: the last one, or one that waiting doesn't help."""
        end, pause = self.clock() + self.seconds, FIRST
        while True:
            try:
                return self.client.call(method, path, body, **headers)
            except ApiError as error:
                pause = min(max(pause, error.retry_after or 0), LONGEST)
                if not error.passes or self.clock() + pause > end:
                    raise
                if error.status != 429:  # to be held to a rate is no news
                    self.told(f"{error}; the same again in {pause:g} s")
            self.sleep(pause)
            pause = min(pause * 2, LONGEST)
