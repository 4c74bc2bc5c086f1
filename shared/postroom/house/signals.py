"""The signals that ask a process of the house to end."""

from __future__ import annotations

import signal
from collections.abc import Callable


def on_stop(stop: Callable[[], None]) -> None:
    """Have `stop` called at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
