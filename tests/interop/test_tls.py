"""TLS, and a certificate where it counts."""

from __future__ import annotations

import pytest

from postroom.internet.wire import SmtpWire
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate
from tests.interop.town import PLAIN, STRANGER, TLS, carry, goodbyes, mail, target
from tests.servers.server import Server


@pytest.mark.parametrize(
    ("address", "security", "tls"),
    [
        (TLS, Security.OPPORTUNISTIC, ("TLSv1.3", False)),
        (TLS, Security.VERIFY, ("TLSv1.3", True)),
        (STRANGER, Security.OPPORTUNISTIC, ("TLSv1.3", False)),
        (STRANGER, Security.REQUIRE, ("TLSv1.3", False)),
        (PLAIN, Security.OPPORTUNISTIC, None),
    ],
)
def test_a_letter_goes_the_most_secure_way_that_there_is(
    server: Server, wire: SmtpWire, domain: str, address: str, security: Security, tls: tuple[str, bool] | None
) -> None:
    (sent,) = carry(wire, target(server, address, security=security), [mail(f"bob@{domain}")])
    assert sent.fates == [Fate.ACCEPTED]
    assert len(server.letters_to(domain)) == 1
    facts = sent.carried.tls
    assert (facts and (facts.version, facts.verified)) == tls


@pytest.mark.parametrize(("address", "security"), [(STRANGER, Security.VERIFY), (PLAIN, Security.REQUIRE)])
def test_a_letter_goes_no_way_less_secure_than_it_asks_for(
    server: Server, wire: SmtpWire, domain: str, address: str, security: Security
) -> None:
    (sent,) = carry(wire, target(server, address, security=security), [mail(f"bob@{domain}")])
    assert [(verdict.fate, verdict.cause) for verdict in sent.carried.verdicts] == [(Fate.DEFERRED, "tls")]
    assert server.letters_to(domain) == []


def test_several_letters_share_a_session_under_tls(server: Server, wire: SmtpWire, domain: str) -> None:
    mails = [mail(f"r{number}@{domain}") for number in range(5)]
    sent = carry(wire, target(server, TLS), mails)
    assert [each.fates for each in sent] == [[Fate.ACCEPTED]] * 5
    assert sorted(each.octets for each in server.letters_to(domain)) == sorted(each.octets for each in mails)
    assert goodbyes(sent) == 1
