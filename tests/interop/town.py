"""The hosts of each server, by address, and how letters are carried to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import uuid4

from postroom.delivery.routing import Host as Place
from postroom.delivery.routing import Target
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate
from tests.servers.server import Host, Server

PLAIN = "127.0.0.1"  # all that the server offers, in clear text
TLS = "127.0.0.2"  # and STARTTLS
STRANGER = "127.0.0.3"  # STARTTLS with a certificate for another host
PIPELINING = "127.0.0.4"  # no CHUNKING
NOTHING = "127.0.0.5"  # neither that nor PIPELINING nor SMTPUTF8
HURRIED = "127.0.0.6"  # few letters
SMALL = "127.0.0.7"  # small letters
NOBODY_HOME = "127.0.0.8"

FEW = 3
SMALLEST = 10_000

HOSTS = (
    Host(address=PLAIN),
    Host(address=TLS, tls=True),
    Host(address=STRANGER, tls=True),
    Host(address=PIPELINING, chunking=False),
    Host(address=NOTHING, chunking=False, pipelining=False, smtputf8=False),
    Host(address=HURRIED, most_letters=FEW),
    Host(address=SMALL, largest=SMALLEST),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter, and what became of it."""

    mail: Mail
    carried: Carried

    @property
    def fates(self) -> list[Fate]:
        return [verdict.fate for verdict in self.carried.verdicts]

    @property
    def codes(self) -> list[int | None]:
        """Of the replies that decided."""
        return [verdict.reply.code if verdict.reply else None for verdict in self.carried.verdicts]

    @property
    def said(self) -> list[str]:
        return [line.text for line in self.carried.transcript if line.speaker == "client"]


def goodbyes(sent: Iterable[Sent]) -> int:
    """How many sessions ended with a word; letters of one flight have heard the same one."""
    return len({line for each in sent for line in each.carried.transcript if line.text == "QUIT"})


def target(server: Server, *addresses: str, security: Security = Security.OPPORTUNISTIC, depth: int = 1) -> Target:
    places = tuple(Place(address, server.port) for address in addresses)
    return Target(route="r", hosts=places, security=security, depth=depth)


def mail(*recipients: str, sender: str = "alice@example.org", text: str = "hello") -> Mail:
    """A letter that is like no other."""
    octets = f"From: {sender}\r\nMessage-ID: <{uuid4().hex}@example.org>\r\n\r\n{text}\r\n".encode()
    return Mail(sender, recipients, octets)


def carry(
    wire: SmtpWire, target: Target, mails: Iterable[Mail], mark: Callable[[Mail], bool] = lambda _: True
) -> list[Sent]:
    sent: list[Sent] = []
    end = time.monotonic() + 20
    wire.converse(target, iter(mails), end, mark, lambda mail, carried: sent.append(Sent(mail, carried)))
    return sent
