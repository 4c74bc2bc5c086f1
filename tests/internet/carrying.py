"""Letters carried by a wire of a test's own, over real sockets, and what was said of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network

from postroom.delivery.routing import Host, Target
from postroom.internet.guard import Guard
from postroom.internet.loop import Background
from postroom.internet.reach import Reach
from postroom.internet.resolver import DnsResolver
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Credentials, Security
from postroom.smtp.timeouts import Timeouts

LETTER = b"Subject: x\r\n\r\n.hello\r\n"
QUICK = Timeouts(connect=2, greeting=0.6, command=0.6, data=0.6, final=0.6, quit=0.6)


def mail(*recipients: str, octets: bytes = LETTER) -> Mail:
    return Mail("alice@example.org", recipients or ("bob@example.net",), octets)


def wire_with(timeouts: Timeouts, roots: str | None = None, allow: str = "127.0.0.0/8") -> SmtpWire:
    guard = Guard([ip_network(each) for each in allow.split(",")])
    reach = Reach(helo="client.example.org", timeouts=timeouts, resolver=DnsResolver(), guard=guard, ca_file=roots)
    return SmtpWire(reach, Background())


def carry(
    wire: SmtpWire,
    port: int,
    mails: Iterator[Mail],
    *,
    security: Security = Security.OPPORTUNISTIC,
    credentials: Credentials | None = None,
    seconds: float = 10,
    mark: Callable[[Mail], bool] = lambda _: True,
) -> list[Carried]:
    carried: list[Carried] = []
    target = Target(route="r", hosts=(Host("localhost", port),), security=security, credentials=credentials)
    wire.converse(target, mails, time.monotonic() + seconds, mark, lambda _, each: carried.append(each))
    return carried


def lines(carried: Carried) -> list[str]:
    return [f"{line.speaker[0].upper()}: {line.text}" for line in carried.transcript]
