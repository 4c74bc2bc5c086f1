"""Whoever calls the outside world may die before or after any call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """As SIGKILL: nothing that the dead process would have done after it happens."""


@dataclass
class Fate:
    """Counts the calls to the outside world, and strikes at one of them."""

    strikes_at: int
    after: bool  # the call was done, and its answer never came
    calls: list[str] = field(default_factory=list)

    def watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            struck = len(self.calls) - 1 == self.strikes_at
            if struck and not self.after:
                raise Killed
            answer = call(*args, **kwargs)
            if struck:
                raise Killed
            return answer

        return watched


class Watched:
    """A port whose every call is watched by fate."""

    def __init__(self, name: str, port: Any, fate: Fate) -> None:
        self._name, self._port, self._fate = name, port, fate

    def __getattr__(self, method: str) -> Any:
        return self._fate.watched(f"{self._name}.{method}", getattr(self._port, method))
