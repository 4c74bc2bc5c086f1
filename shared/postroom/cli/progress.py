"""How far a long command has come: a bar on a terminal where rich is installed, else a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Protocol

import click

SELDOM = 10.0  # seconds between two lines


class Progress(Protocol):
    """Tells of one thing after the other, each with an end that is known."""

    def begin(self, what: str, total: int) -> None: ...

    def to(self, done: int) -> None: ...

    def note(self, text: str) -> None:
        """A line by itself."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """For logs."""

    def __init__(self) -> None:
        self._what, self._total, self._told = "", 0, 0.0

    def begin(self, what: str, total: int) -> None:
        self._what, self._total, self._told = what, total, time.monotonic()

    def to(self, done: int) -> None:
        if done == self._total or time.monotonic() - self._told >= SELDOM:
            self._told = time.monotonic()
            self.note(f"{self._what}: {done:,} of {self._total:,}")

    def note(self, text: str) -> None:
        click.echo(text, err=True)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Bar:
    """For people."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = RichProgress(*columns, console=Console(stderr=True, highlight=False, markup=False))
        self._task: Any = None

    def begin(self, what: str, total: int) -> None:
        self._task = self._bars.add_task(what, total=total)

    def to(self, done: int) -> None:
        self._bars.update(self._task, completed=done)

    def note(self, text: str) -> None:
        self._bars.console.print(text)

    def __enter__(self) -> Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def progress() -> Progress:
    """What suits where standard error goes."""
    if not sys.stderr.isatty():
        return Lines()
    try:
        return Bar()
    except ModuleNotFoundError:
        return Lines()
