"""Addresses that aren't ASCII go where SMTPUTF8 is offered, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

from postroom.internet.wire import SmtpWire
from postroom.smtp.verdict import Fate
from tests.interop.town import NOTHING, PLAIN, carry, mail, target
from tests.servers.server import Server


def test_an_address_arrives_as_it_was_written(server: Server, wire: SmtpWire, domain: str) -> None:
    letter = replace(mail(f"bøb@{domain}", sender="älice@example.org", text="grüße"), smtputf8=True)
    (sent,) = carry(wire, target(server, PLAIN), [letter])
    assert sent.fates == [Fate.ACCEPTED]
    (taken,) = server.letters_to(domain)
    assert (taken.sender, taken.recipients) == (letter.sender, letter.recipients)
    assert taken.octets == letter.octets


def test_where_it_is_not_offered_the_letter_is_refused_and_the_next_is_carried(
    server: Server, wire: SmtpWire, domain: str
) -> None:
    odd = replace(mail(f"bøb@{domain}", sender="älice@example.org"), smtputf8=True)
    sent = carry(wire, target(server, NOTHING), [odd, mail(f"bob@{domain}")])
    assert [each.fates for each in sent] == [[Fate.REFUSED], [Fate.ACCEPTED]]
    assert sent[0].carried.verdicts[0].enhanced == "5.6.7"
    assert [each.recipients for each in server.letters_to(domain)] == [(f"bob@{domain}",)]
