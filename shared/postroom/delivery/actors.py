"""Recipients of the test domain. Each acts out what its local part says; nothing has to be dialled for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postroom.smtp.commands import Command, Content, Data, Ehlo, Greeting, RcptTo
from postroom.smtp.flight import Flight
from postroom.smtp.reply import Reply

ROUTE = "acted"
"""The name of the route that their letters are kept under. No table may have it, so that they leave by none."""


OFFERED = ("PIPELINING", "8BITMIME", "SMTPUTF8", "REQUIRETLS", "ENHANCEDSTATUSCODES")
"""All that a letter may ask for, and no SIZE: none is too large."""


class Role(StrEnum):
    """What a recipient acts out: the part of its local part before a `+`."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    DEFERRED = "deferred"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Actors:
    """All recipients of one domain."""

    domain: str  # A-label, lower case

    def act(self, destination: str) -> bool:
        """Whether they are who is written to there: they have parcels, and tasks, of their own."""
        return destination == self.domain

    def role_of(self, address: str) -> Role:
        """The role of one of its recipients; who has none bounces, as nobody is there under that name."""
        name = address.rpartition("@")[0].partition("+")[0].lower()
        return Role(name) if name in list(Role) else Role.BOUNCED

    def replies(self, flight: Flight) -> tuple[Reply, ...]:
        """What a server of theirs says to each command of a flight."""
        taken = any(isinstance(command, RcptTo) and self._rcpt(command).positive for command in flight)
        return tuple(self._reply(command, taken=taken) for command in flight)

    def _reply(self, command: Command, *, taken: bool) -> Reply:
        match command:
            case Greeting():
                return Reply(220, (f"{self.domain} is acted out by postroom: nothing leaves it",))
            case Ehlo():
                return Reply(250, (self.domain, *OFFERED))
            case RcptTo():
                return self._rcpt(command)
            case Data() if taken:
                return Reply(354, ("End data with <CR><LF>.<CR><LF>",))
            case Data():
                return Reply(554, ("5.5.1 No valid recipients",))
            case Content():
                return Reply(250, ("2.0.0 Ok: queued as acted",))
            case _:
                return Reply(250, ("2.1.0 Ok",))

    def _rcpt(self, command: RcptTo) -> Reply:
        match self.role_of(command.address):
            case Role.DELIVERED | Role.COMPLAINED:
                return Reply(250, ("2.1.5 Ok",))
            case Role.DEFERRED:
                return Reply(451, ("4.3.0 Acted out: not now",))
            case _:
                return Reply(550, ("5.1.1 Acted out: no such mailbox",))
