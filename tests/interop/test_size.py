"""A letter that is larger than the server says it takes isn't even sent."""

from __future__ import annotations

from postroom.internet.wire import SmtpWire
from postroom.smtp.verdict import Fate
from tests.interop.town import SMALL, SMALLEST, carry, mail, target
from tests.servers.server import Server


def test_the_limit_is_kept_to_the_octet_and_smaller_letters_pass(server: Server, wire: SmtpWire, domain: str) -> None:
    frame = len(mail(f"bob@{domain}", text="").octets)
    text = ("x" * 78 + "\r\n") * (SMALLEST // 80)
    large, small = (mail(f"bob@{domain}", text=text[frame - more :]) for more in (1, -2000))
    assert len(large.octets) == SMALLEST + 1
    sent = carry(wire, target(server, SMALL), [small, large, small])
    assert [each.fates for each in sent] == [[Fate.ACCEPTED], [Fate.REFUSED], [Fate.ACCEPTED]]
    (verdict,) = sent[1].carried.verdicts
    assert (verdict.cause, verdict.enhanced, verdict.reply) == ("size", "5.3.4", None)
    assert not any(said.startswith("MAIL") for said in sent[1].said)
    assert [each.octets for each in server.letters_to(domain)] == [small.octets] * 2
