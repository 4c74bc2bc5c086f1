"""How much filling in a template may take: counted in steps, which are the same on every machine, then in CPU time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

LETTER_STEPS = 400_000
"""Of one letter. A step is a part of the template that is run once, or eight characters that are handed on."""
REQUEST_STEPS = 40 * LETTER_STEPS
"""Of all letters of a batch."""
LONGEST = 1_000_000
"""Characters of a letter's part, and of any string on the way to it."""
SECONDS = 2.0
"""CPU time of one letter: it is met only where the machine is much slower than steps are counted for."""

_LOOK_EVERY = 4096  # steps


class Flaw(ValueError):
    """What is wrong with a template, or with what it was given: in which part of it and, where that is known, where."""

    def __init__(self, text: str, part: str = "", line: int | None = None) -> None:
        super().__init__(text)
        self.text, self.part, self.line = text, part, line

    @property
    def sentence(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


class TooMuch(Exception):
    """The budget is used up."""


class Budget:
    """What is left for one letter. Its steps count for the whole request."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._left = min(LETTER_STEPS, allowance.left)
        self._look_at = self._left - _LOOK_EVERY
        self._until = allowance.clock() + SECONDS

    def spend(self, steps: int) -> None:
        """Raises `TooMuch`."""
        self._left -= steps
        if self._left < self._look_at:
            self._look()

    def spend_on(self, characters: int) -> None:
        """Raises `TooMuch`, also where there are more of them than a string may have."""
        if characters > LONGEST:
            raise TooMuch(f"it makes a text of more than {LONGEST:,} characters")
        self.spend(1 + (characters >> 3))

    def settle(self) -> None:
        """Take what was spent off the request's allowance."""
        self._allowance.left -= min(LETTER_STEPS, self._allowance.left) - max(self._left, 0)

    def _look(self) -> None:
        if self._left < 0:
            if self._allowance.left < LETTER_STEPS:
                raise TooMuch("the letters of this request take too much to fill in: send them in several requests")
            raise TooMuch(f"it takes more than the {LETTER_STEPS:,} steps that filling in a letter may take")
        if self._allowance.clock() > self._until:
            raise TooMuch(f"it takes more than the {SECONDS:g} seconds that filling in a letter may take")
        self._look_at = self._left - _LOOK_EVERY


@dataclass(slots=True)
class Allowance:
    """What is left for one request."""

    clock: Callable[[], float]  # seconds of CPU that this thread has used
    left: int = REQUEST_STEPS
