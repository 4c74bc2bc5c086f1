"""What arrives is what was signed, octet for octet, however it is carried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postroom.internet.wire import SmtpWire
from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter
from postroom.message.mime import render
from postroom.smtp.envelope import Mail
from postroom.smtp.verdict import Fate
from tests.interop.town import NOTHING, PIPELINING, PLAIN, TLS, carry, target
from tests.message.test_dkim import AT, signed, verified
from tests.servers.server import Server


def rich(domain: str) -> bytes:
    """All that a letter of ours may hold."""
    return render(
        Letter(
            sender=Mailbox("alice", "acme.example", "Alice, of Acmé"),
            to=(Mailbox("bob", domain),),
            subject="Grüße ☃ " * 20,
            text=".\n..\n.hidden\nFrom here on\n \n\n.\n",
            html="<p>日本語</p>\n.\n",
            headers=(("List-Unsubscribe", f"<https://acme.example/{'x' * 900}>"),),
            attachments=(Attachment(filename="snow.png", content=bytes(range(256)) * 40, content_type="image/png"),),
        ),
        message_id="<1@acme.example>",
        date=AT,
        seed="1",
    )


def dotted(domain: str) -> bytes:
    """Dots wherever they could be taken for an end, and lines as long as they may be."""
    longest = ["." * 998, "x" * 998, "." + "y" * 997]
    lines = [".", "..", ".x", *longest, "", ".", *longest, ".", "", "", "\t ", "."]
    return f"From: a@acme.example\r\nTo: bob@{domain}\r\n\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n"


def large(domain: str) -> bytes:
    """Too large for a flight with its envelope, or for one slice of a write."""
    return dotted(domain) + (b".z" * 38 + b"\r\n") * 20_000


@pytest.mark.parametrize("letter", [rich, dotted, large], ids=lambda letter: letter.__name__)
@pytest.mark.parametrize(
    "address",
    [
        pytest.param(PLAIN, id="in clear text"),
        pytest.param(TLS, id="under TLS"),
        pytest.param(PIPELINING, id="pipelined"),
        pytest.param(NOTHING, id="one by one"),
    ],
)
def test_a_letter_arrives_as_it_was_signed(
    server: Server, wire: SmtpWire, domain: str, address: str, letter: Callable[[str], bytes]
) -> None:
    octets = signed(letter(domain))
    sent = carry(wire, target(server, address), [Mail("alice@acme.example", (f"bob@{domain}",), octets)])
    assert [each.fates for each in sent] == [[Fate.ACCEPTED]]
    (taken,) = server.letters_to(domain)
    assert (taken.sender, taken.recipients) == ("alice@acme.example", (f"bob@{domain}",))
    assert taken.octets == octets
    assert verified(taken.octets) == [True, True]
