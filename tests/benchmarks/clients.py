"""Those who carry letters, each in a session after another, and what it costs them.

`python -m tests.benchmarks.clients NAME PORT SESSIONS LETTERS` carries so many letters in each of so many sessions,
and prints the microseconds of CPU, user and system, that a letter cost this process, and of these its main thread.
"""

from __future__ import annotations

import asyncio
import smtplib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from types import MappingProxyType

import aiosmtplib

from postroom.delivery.routing import Host, Target
from postroom.internet import loop
from postroom.internet.conversation import Conversation
from postroom.internet.guard import Guard
from postroom.internet.hosts import Hosts
from postroom.internet.pool import Pool
from postroom.internet.reach import Reach
from postroom.internet.resolver import DnsResolver
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate

OCTETS = 4096
PATIENCE = 300  # seconds
SENDER, RECIPIENT, NAME = "alice@example.org", "bob@example.net", "client.example.org"

Carry = Callable[[int, Sequence[bytes]], None]
"""Carries letters to a port of the loopback in one session."""

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


HEAD = b"Subject: Your order has been shipped\r\n\r\n"
LINE = b"It is on its way to you, and it is not to be stopped by anybody any more.\r\n"


def letter(octets: int, line: bytes = LINE) -> bytes:
    return (HEAD + line * (octets // len(line)))[: octets - 2] + b"\r\n"


LETTER = letter(OCTETS)


def mails(letters: Sequence[bytes]) -> Iterator[Mail]:
    return (Mail(SENDER, (RECIPIENT,), each) for each in letters)


def reach() -> Reach:
    guard = Guard([ip_network("127.0.0.0/8")])
    return Reach(helo=NAME, timeouts=Timeouts(), resolver=DnsResolver(), guard=guard)


def target(port: int, depth: int = 1) -> Target:
    hosts = (Host("127.0.0.1", port),)
    return Target(route="benchmark", hosts=hosts, security=Security.OPPORTUNISTIC, depth=depth)


def taken(mail: Mail, carried: Carried) -> None:
    assert all(each.fate is Fate.ACCEPTED for each in carried.verdicts), (mail, carried)


def through_converse(depth: int = 1) -> Carry:
    """Ours as the worker calls it: each letter and its verdict change threads."""
    wire = SmtpWire(reach(), loop.Background())

    def carry(port: int, letters: Sequence[bytes]) -> None:
        wire.converse(target(port, depth), mails(letters), time.monotonic() + PATIENCE, lambda _: True, taken)

    return carry


def through_converse_on_asyncio() -> Carry:
    loop.new_loop = asyncio.new_event_loop
    return through_converse()


class _Here:
    """A caller on the loop itself."""

    def __init__(self, mails: Iterator[Mail]) -> None:
        self.mails = mails

    def settle(self, mail: Mail, carried: Carried) -> None:
        taken(mail, carried)

    def pull(self, answer: asyncio.Future[Mail | None]) -> None:
        answer.set_result(next(self.mails, None))

    async def mark(self, _: Mail) -> bool:
        return True


def on_the_loop(loop_factory: LoopFactory) -> Carry:
    """Ours without a second thread: what the session itself costs, with all that is kept of it."""
    own_loop, connect, hosts = loop_factory(), reach(), Hosts()

    async def carry(port: int, letters: Sequence[bytes]) -> None:
        pool, caller = Pool(hosts), _Here(mails(letters))
        async with pool.conversation():
            conversation = Conversation(caller, connect, pool, target(port), time.monotonic() + PATIENCE)
            await conversation.carry(next(caller.mails), next(caller.mails, None))

    return lambda port, letters: own_loop.run_until_complete(carry(port, letters))


def by_smtplib() -> Carry:
    def carry(port: int, letters: Sequence[bytes]) -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname=NAME) as client:
            client.ehlo()
            if client.has_extn("STARTTLS"):
                client.starttls()
            for each in letters:
                client.sendmail(SENDER, [RECIPIENT], each)

    return carry


def by_aiosmtplib(loop_factory: LoopFactory) -> Carry:
    own_loop = loop_factory()

    async def carry(port: int, letters: Sequence[bytes]) -> None:
        async with aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, local_hostname=NAME, validate_certs=False
        ) as client:
            for each in letters:
                await client.sendmail(SENDER, [RECIPIENT], each)

    return lambda port, letters: own_loop.run_until_complete(carry(port, letters))


CLIENTS: Mapping[str, Callable[[], Carry]] = MappingProxyType(
    {
        "postroom": through_converse,
        "postroom-depth-2": lambda: through_converse(depth=2),
        "postroom-depth-4": lambda: through_converse(depth=4),
        "postroom-asyncio": through_converse_on_asyncio,
        "session": lambda: on_the_loop(loop.new_loop),
        "session-asyncio": lambda: on_the_loop(asyncio.new_event_loop),
        "smtplib": by_smtplib,
        "aiosmtplib": lambda: by_aiosmtplib(loop.new_loop),
        "aiosmtplib-asyncio": lambda: by_aiosmtplib(asyncio.new_event_loop),
    }
)


def main() -> None:
    name, port, sessions, letters = sys.argv[1], *map(int, sys.argv[2:5])
    carry = CLIENTS[name]()
    carry(port, [LETTER] * letters)
    whole, here = time.process_time(), time.thread_time()
    for _ in range(sessions):
        carry(port, [LETTER] * letters)
    whole, here = time.process_time() - whole, time.thread_time() - here
    print(f"{whole / sessions / letters * 1e6:.2f} {here / sessions / letters * 1e6:.2f}")


if __name__ == "__main__":
    main()
