"""A letter whose end is to be marked first: what is marked may have arrived, what isn't has not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.internet.wire import SmtpWire
from postroom.smtp.envelope import Mail
from postroom.smtp.verdict import Fate
from tests.interop.town import NOTHING, PLAIN, TLS, carry, mail, target
from tests.servers.server import NOBODY, Server

everywhere = pytest.mark.parametrize("address", [PLAIN, TLS, NOTHING], ids=["plain", "TLS", "one by one"])


@everywhere
def test_when_the_end_is_marked_the_letter_has_not_arrived(
    server: Server, wire: SmtpWire, domain: str, address: str
) -> None:
    arrived = []

    def mark(_: Mail) -> bool:
        arrived.append(len(server.letters_to(domain)))
        return True

    mails = [replace(mail(f"{NOBODY}@{domain}", f"bob@{domain}"), marked=True) for _ in range(3)]
    sent = carry(wire, target(server, address), mails, mark)
    assert [each.fates for each in sent] == [[Fate.REFUSED, Fate.ACCEPTED]] * 3
    assert arrived == [0, 1, 2]


@everywhere
def test_a_letter_that_can_not_be_marked_does_not_arrive(
    server: Server, wire: SmtpWire, domain: str, address: str
) -> None:
    (sent,) = carry(wire, target(server, address), [replace(mail(f"bob@{domain}"), marked=True)], lambda _: False)
    assert sent.fates == [Fate.DEFERRED]
    (next_,) = carry(wire, target(server, address), [mail(f"eve@{domain}")])
    assert next_.fates == [Fate.ACCEPTED]
    assert [each.recipients for each in server.letters_to(domain)] == [(f"eve@{domain}",)]
