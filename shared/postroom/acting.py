"""A `Wire` before another: letters to the test domain are acted out here, all others go on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

from postroom.delivery.actors import Actors
from postroom.delivery.routing import Target
from postroom.ports import Carried, Wire
from postroom.smtp.commands import Greeting
from postroom.smtp.dialogue import Session
from postroom.smtp.envelope import Mail
from postroom.smtp.flight import Flight, Heard
from postroom.smtp.transcript import Transcript

T = TypeVar("T")

NOTE = "Acted out by postroom: the recipients are of the test domain, and nothing was dialled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingWire:
    """Holds the whole session with a server that isn't there, so that an attempt looks as any other does."""

    wire: Wire
    actors: Actors
    helo: str
    monotonic: Callable[[], float]

    def converse(
        self,
        target: Target,
        mails: Iterator[Mail],
        deadline: float,
        mark: Callable[[Mail], bool],
        settled: Callable[[Mail, Carried], None],
    ) -> None:
        if not target.acted:
            self.wire.converse(target, mails, deadline, mark, settled)
            return
        # No reply can be lost, so no end needs a mark before it is said.
        for mail in mails:
            settled(mail, self._acted(mail))

    def _acted(self, mail: Mail) -> Carried:
        # As under TLS from the start, of the kind that the letter asks for.
        session = Session(self.helo, mail.security, encrypted=True)
        transcript, began = Transcript(), self.monotonic()

        def at_ms() -> float:
            return round((self.monotonic() - began) * 1000, 3)

        def drive(dialogue: Generator[Flight, Heard, T]) -> T:
            try:
                flight = next(dialogue)
                while True:
                    transcript.client(at_ms(), ("" if isinstance(each, Greeting) else each.shown() for each in flight))
                    replies = self.actors.replies(flight)
                    transcript.server(at_ms(), (reply.shown for reply in replies))
                    flight = dialogue.send(Heard(replies))
            except StopIteration as end:
                result: T = end.value
                return result

        drive(session.introduce())
        verdicts = drive(session.transaction(mail))
        # As of any session, its last word is kept and not waited for an answer to.
        transcript.client(at_ms(), (each.shown() for each in next(session.farewell())))
        return Carried(verdicts=verdicts, transcript=transcript.lines(), mx=self.actors.domain, note=NOTE)
