"""What one side says at once, and what it hears in answer: the words that a dialogue and its driver share."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.smtp.commands import Command
from postroom.smtp.reply import Reply

Flight = tuple[Command, ...]
"""Commands to be written at once, each of which gets one reply."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The conversation ended early: why, and whether all that was to be said had been handed to the kernel."""

    why: str
    handed_over: bool = False
    out_of_step: bool = False  # the server said more than it was asked for
    tls: bool = False  # TLS failed


@dataclass(frozen=True, slots=True)
class Heard:
    """The replies to a flight, in order; fewer than its commands only where `lost` says why."""

    replies: tuple[Reply, ...]
    lost: Lost | None = None
    surplus: Reply | None = None  # one more than there were commands: which is whose can't be told


@dataclass(frozen=True, slots=True)
class Failure:
    """The session came to nothing before any letter: nobody's address has been judged."""

    note: str
    reply: Reply | None = None
    cause: str = "connection_lost"  # `tls` where TLS was the trouble
