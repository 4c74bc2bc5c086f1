"""How long each phase of a session may take (RFC 5321 §4.5.3.2), cut to fit a function's time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    CONNECT = "connect"
    GREETING = "greeting"
    COMMAND = "command"
    DATA = "data"
    FINAL = "final"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds per phase. `connect` is for one address; `final` waits for the reply to the final dot."""

    connect: float = 10.0
    greeting: float = 60.0
    command: float = 60.0
    data: float = 120.0
    final: float = 600.0
    quit: float = 2.0  # the verdict is in by then; nobody waits long for a goodbye

    def of(self, phase: Phase) -> float:
        seconds: float = getattr(self, phase)
        return seconds

    def total(self, recipients: int = 1) -> float:
        """The longest that a letter to `recipients` recipients can take if every phase uses all its time.

        Greeting, EHLO, STARTTLS, EHLO, AUTH, MAIL, each RCPT, DATA, the final dot.
        """
        return self.connect + self.greeting + (5 + recipients) * self.command + self.data + self.final
