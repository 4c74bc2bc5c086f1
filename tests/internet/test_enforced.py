"""MTA-STS from the announcement to the last octet: who gets the letter, and who gets not a word of it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from postroom.clouds.local.database import Database
from postroom.clouds.local.directory import LocalDirectory
from postroom.delivery.routing import MX_FOR_EVERYTHING, Exchanger, Target
from postroom.delivery.task import DeliveryTask
from postroom.destination import Destinations
from postroom.internet.policies import StsPolicies
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried, MxFound
from postroom.smtp.verdict import Fate
from tests.internet.carrying import mail
from tests.internet.peer import Guest, introduced, serving
from tests.internet.web import answering, certificate, client, page


class MailServer:
    """Takes letters in clear text as gladly as under TLS, and keeps the commands that it hears in each."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self.clear: list[bytes] = []
        self.secret: list[bytes] = []

    def __call__(self, guest: Guest) -> None:
        guest.say("220 localhost ESMTP")
        introduced(guest, *(["STARTTLS"] if self._context else []))
        heard = self.clear
        while True:
            line = guest.hear()
            if line == b"STARTTLS\r\n" and self._context is not None:
                guest.say("220 go ahead")
                guest.encrypt(self._context)
                introduced(guest)
                heard = self.secret
                continue
            heard.append(line[:4])
            if line == b"DATA\r\n":
                guest.say("354 go on")
                guest.hear(b"\r\n.\r\n")
            guest.say("250 ok")


class Dns:
    def exchangers(self, domain: str) -> MxFound:
        assert domain == "example.net"
        return MxFound((Exchanger(10, "localhost"),))


ANNOUNCED = ("v=STSv1; id=1",)

Send = Callable[..., tuple[Target, Carried]]


@pytest.fixture
def send(tmp_path: Path, wire: SmtpWire, authority: trustme.CA, roots: str) -> Send:
    """Carry a letter to example.net, whose policy host serves a policy of `mode`, and whose server is `server`."""

    def carry(
        server: MailServer, mode: str = "enforce", mx: str = "localhost", texts: tuple[str, ...] = ANNOUNCED
    ) -> tuple[Target, Carried]:
        policy = page(f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n".encode())
        host = answering(policy, certificate(authority, "mta-sts.example.net"))
        database = Database(tmp_path)
        database.prepare()
        carried: list[Carried] = []
        with ExitStack() as stack:
            stack.callback(database.close)
            policies = StsPolicies(
                directory=LocalDirectory(database),
                texts=lambda _: texts,
                https=client(roots),
                clock=lambda: datetime.now(UTC),
                monotonic=time.monotonic,
                port=stack.enter_context(serving(host)),
            )
            destination = Destinations(
                routes=MX_FOR_EVERYTHING,
                resolver=Dns(),
                shuffle=lambda _: None,
                smtp_port=stack.enter_context(serving(server)),
                policy=policies,
            )
            task = DeliveryTask("default", MX_FOR_EVERYTHING.table[0].name, "example.net", ())
            target = destination(task)
            assert isinstance(target, Target)
            wire.converse(
                target, iter([mail()]), time.monotonic() + 10, lambda _: True, lambda _, each: carried.append(each)
            )
        return target, carried[0]

    return carry


def test_a_server_that_the_policy_names_gets_the_letter_under_verified_tls(send: Send, authority: trustme.CA) -> None:
    server = MailServer(certificate(authority, "localhost"))
    _, carried = send(server)
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.ACCEPTED]
    assert carried.tls is not None
    assert (carried.tls.verified, carried.tls.policy) == (True, "verify")
    assert server.secret == [b"MAIL", b"RCPT", b"DATA", b"QUIT"]
    assert not server.clear


@pytest.mark.parametrize("flaw", ["another name", "a stranger's", "no TLS"])
def test_a_server_that_cannot_prove_its_name_gets_no_letter_and_no_clear_text(
    send: Send, authority: trustme.CA, flaw: str
) -> None:
    contexts: dict[str, Callable[[], ssl.SSLContext | None]] = {
        "another name": lambda: certificate(authority, "elsewhere.example.net"),
        "a stranger's": lambda: certificate(trustme.CA(), "localhost"),
        "no TLS": lambda: None,
    }
    server = MailServer(contexts[flaw]())
    target, carried = send(server)
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "tls")]
    assert target.note == "example.net enforces an MTA-STS policy"
    assert carried.note
    assert set(server.clear) <= {b"QUIT"}
    assert not server.secret


def test_an_attacker_who_hides_a_known_policy_gets_no_letter_either(send: Send, authority: trustme.CA) -> None:
    send(MailServer(certificate(authority, "localhost")))
    attacker = MailServer(certificate(trustme.CA(), "localhost"))
    _, carried = send(attacker, "none", texts=())
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "tls")]
    assert not attacker.secret


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_without_enforcement_the_same_server_gets_the_letter(send: Send, authority: trustme.CA, mode: str) -> None:
    server = MailServer(certificate(authority, "elsewhere.example.net"))
    _, carried = send(server, mode, "elsewhere.example.net")
    assert [verdict.fate for verdict in carried.verdicts] == [Fate.ACCEPTED]
    assert server.secret == [b"MAIL", b"RCPT", b"DATA", b"QUIT"]
