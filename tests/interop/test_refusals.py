"""A refusal is its recipient's alone: neither the others nor the next letter in the session suffer from it."""

from __future__ import annotations

import pytest

from postroom.internet.wire import SmtpWire
from postroom.smtp.envelope import Mail
from postroom.smtp.verdict import Fate
from tests.interop.town import NOTHING, PIPELINING, PLAIN, carry, goodbyes, mail, target
from tests.servers.server import LATER, NOBODY, UNWELCOME, Server

everywhere = pytest.mark.parametrize(
    "address",
    [
        pytest.param(PLAIN, id="in one flight"),
        pytest.param(PIPELINING, id="pipelined"),
        pytest.param(NOTHING, id="one by one"),
    ],
)


def envelopes(server: Server, domain: str) -> list[tuple[str, tuple[str, ...], bytes]]:
    return sorted((each.sender, each.recipients, each.octets) for each in server.letters_to(domain))


@everywhere
def test_of_three_recipients_one_is_refused_and_one_deferred(
    server: Server, wire: SmtpWire, domain: str, address: str
) -> None:
    letter = mail(f"{NOBODY}@{domain}", f"bob@{domain}", f"{LATER}@{domain}")
    (sent,) = carry(wire, target(server, address), [letter])
    assert sent.fates == [Fate.REFUSED, Fate.ACCEPTED, Fate.DEFERRED]
    assert sent.codes == [550, 250, 450]
    assert envelopes(server, domain) == [("alice@example.org", (f"bob@{domain}",), letter.octets)]


# What Exim 4.96 makes of a transaction that isn't reset is a letter under the sender of the one before it; Postfix 3.7
# crashes. These leave a transaction behind in every state, one after the other.
def trouble(domain: str) -> list[Mail]:
    return [
        mail(f"{NOBODY}@{domain}", sender="first@example.org"),
        mail(f"{LATER}@{domain}", f"{NOBODY}@{domain}", sender="second@example.org"),
        mail(f"bob@{domain}", sender=f"{UNWELCOME}@example.org"),
        mail(f"{NOBODY}@{domain}", sender="fourth@example.org"),
        mail(f"bob@{domain}", f"{NOBODY}@{domain}", sender=f"{UNWELCOME}@example.org"),
    ]


@pytest.mark.parametrize("settled", [True, False], ids=["a good letter behind each", "one behind the other"])
@pytest.mark.parametrize(
    ("address", "depth"),
    [
        pytest.param(PLAIN, 1, id="in one flight"),
        pytest.param(PLAIN, 3, id="in common flights"),
        pytest.param(PIPELINING, 1, id="pipelined"),
        pytest.param(NOTHING, 1, id="one by one"),
    ],
)
def test_the_letter_behind_a_refused_one_has_its_own_sender(
    server: Server, wire: SmtpWire, domain: str, address: str, depth: int, settled: bool
) -> None:
    mails = [mail(f"eve@{domain}")]
    good = [0]
    for number, refused in enumerate(trouble(domain)):
        mails.append(refused)
        if settled or number == 4:
            good.append(len(mails))
            mails.append(mail(f"eve@{domain}", sender=f"good{number}@example.org"))
    sent = carry(wire, target(server, address, depth=depth), mails)
    assert [each.mail for each in sent] == mails
    assert [at for at, each in enumerate(sent) if Fate.ACCEPTED in each.fates] == good
    assert {fate for each in sent for fate in each.fates} == {Fate.ACCEPTED, Fate.REFUSED, Fate.DEFERRED}
    expected = [(mails[at].sender, mails[at].recipients, mails[at].octets) for at in good]
    assert envelopes(server, domain) == sorted(expected)
    assert goodbyes(sent) == 1


def test_a_session_outlives_many_refusals(server: Server, wire: SmtpWire, domain: str) -> None:
    refused = [mail(f"{NOBODY}@{domain}") for _ in range(8)]
    sent = carry(wire, target(server, PLAIN), [*refused, mail(f"bob@{domain}")])
    assert [each.fates for each in sent] == [[Fate.REFUSED]] * 8 + [[Fate.ACCEPTED]]
    assert len(envelopes(server, domain)) == 1
