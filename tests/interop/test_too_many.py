"""A server that has had enough: every letter is accounted for, and none goes twice."""

from __future__ import annotations

from collections import Counter

import pytest

from postroom.internet.wire import SmtpWire
from postroom.smtp.verdict import Fate
from tests.interop.town import FEW, HURRIED, carry, mail, target
from tests.servers.server import Server


@pytest.mark.parametrize("depth", [1, 4])
def test_every_letter_is_told_of_once_and_arrives_if_it_was_taken(
    server: Server, wire: SmtpWire, domain: str, depth: int
) -> None:
    mails = [mail(f"r{number}@{domain}") for number in range(3 * FEW + 1)]
    unsent = iter(mails)
    sent = carry(wire, target(server, HURRIED, depth=depth), unsent)
    told = Counter(each.mail.recipients[0] for each in sent)
    assert told + Counter(each.recipients[0] for each in unsent) == Counter(each.recipients[0] for each in mails)
    taken = sorted(each.mail.octets for each in sent if each.fates == [Fate.ACCEPTED])
    assert sorted(each.octets for each in server.letters_to(domain)) == taken
    assert {fate for each in sent for fate in each.fates} <= {Fate.ACCEPTED, Fate.DEFERRED, Fate.NOT_ATTEMPTED}
    if server.name == "exim":  # it says 421, which is nothing against a letter: another session carries it
        assert len(taken) == len(mails)
