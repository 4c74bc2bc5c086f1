"""Where one host doesn't answer, or won't do, the next is asked."""

from __future__ import annotations

import pytest

from postroom.internet.wire import SmtpWire
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate
from tests.interop.town import NOBODY_HOME, PLAIN, STRANGER, TLS, carry, mail, target
from tests.servers.server import NOBODY, Server


@pytest.mark.parametrize(
    ("addresses", "security", "carried_by"),
    [
        pytest.param((NOBODY_HOME, PLAIN), Security.OPPORTUNISTIC, PLAIN, id="nobody listens at the first"),
        pytest.param((NOBODY_HOME, STRANGER, TLS), Security.VERIFY, TLS, id="nor is the second who it says"),
        pytest.param((PLAIN, TLS), Security.REQUIRE, TLS, id="the first has no TLS"),
        pytest.param((TLS, PLAIN), Security.OPPORTUNISTIC, TLS, id="the first will do"),
    ],
)
def test_the_first_host_that_will_do_gets_the_letters(
    server: Server, wire: SmtpWire, domain: str, addresses: tuple[str, ...], security: Security, carried_by: str
) -> None:
    mails = [mail(f"r{number}@{domain}") for number in range(3)]
    sent = carry(wire, target(server, *addresses, security=security), mails)
    assert [(each.fates, each.carried.mx) for each in sent] == [([Fate.ACCEPTED], carried_by)] * 3
    assert len(server.letters_to(domain)) == 3


def test_a_refusal_is_no_reason_to_ask_the_next(server: Server, wire: SmtpWire, domain: str) -> None:
    (sent,) = carry(wire, target(server, PLAIN, TLS), [mail(f"{NOBODY}@{domain}")])
    assert (sent.fates, sent.carried.mx) == ([Fate.REFUSED], PLAIN)
