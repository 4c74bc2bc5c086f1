"""A server that is ready for MAIL, and one that isn't: what an attempt to reach it came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from postroom.delivery.routing import Host
from postroom.internet.connection import Connection
from postroom.ports import Carried
from postroom.smtp.commands import Content
from postroom.smtp.dialogue import Session
from postroom.smtp.envelope import Mail
from postroom.smtp.flight import Flight, Heard, Lost
from postroom.smtp.reply import Reply
from postroom.smtp.transcript import Line
from postroom.smtp.verdict import Fate, Verdict

T = TypeVar("T")

OLDEST = 300.0
"""Seconds that a session is used for."""


async def drive(
    dialogue: Generator[Flight, Heard, T],
    connection: Connection,
    mark: Callable[[], Awaitable[bool]] | None = None,
) -> T:
    """Say what the dialogue yields, tell it what was heard, and return what it concludes.

    Before a flight that carries a letter's end, `mark` is asked whether it may be said.
    """
    try:
        flight = next(dialogue)
        while True:
            if mark is not None and any(isinstance(command, Content) for command in flight) and not await mark():
                connection.close(unmarked := "its end could not be marked, so it was not said")
                flight = dialogue.send(Heard((), Lost(unmarked)))
            else:
                flight = dialogue.send(await connection.say(flight))
    except StopIteration as end:
        result: T = end.value
        return result


@dataclass(frozen=True, slots=True)
class Reached:
    """A server that is ready for MAIL."""

    host: Host
    address: str
    session: Session
    connection: Connection
    introduced: int  # lines of the transcript that every letter of the session has seen

    @property
    def usable(self) -> bool:
        """Whether another letter may be said."""
        return self.session.open and self.connection.lost is None

    @property
    def reusable(self) -> bool:
        """Whether another letter should be said in it, too."""
        return self.usable and not self.old

    @property
    def old(self) -> bool:
        """Whether it has been used for long enough."""
        return monotonic() - self.connection.began > OLDEST

    def carried(
        self,
        verdicts: tuple[Verdict, ...],
        lines: tuple[Line, ...] = (),
        trips: int | None = None,
        route: str | None = None,
        note: str | None = None,
        missed: str | None = None,
    ) -> Carried:
        return Carried(
            verdicts=verdicts,
            route=route,
            note=note,
            missed=missed,
            transcript=lines,
            mx=self.host.name,
            address=self.address,
            tls=self.connection.tls(self.session.security),
            round_trips=trips,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """No server was ready for MAIL: what became of the last one that was tried. Nobody's address was judged."""

    note: str
    cause: str
    route: str
    reply: Reply | None = None
    before: Carried | None = None  # the conversation as far as it went
    missed: str | None = None  # the cause for which the target itself wasn't reached, where this is its fallback
    hopeless: bool = False  # the trouble is this side of all servers: there is no use in asking another one

    def carried(self, mail: Mail) -> Carried:
        verdicts = tuple(
            Verdict(recipient, Fate.DEFERRED, self.reply, self.note, cause=self.cause) for recipient in mail.recipients
        )
        before = self.before or Carried(verdicts=())
        return Carried(
            verdicts=verdicts,
            route=self.route,
            transcript=before.transcript,
            mx=before.mx,
            address=before.address,
            tls=before.tls,
            note=self.note,
            missed=self.missed,
        )
