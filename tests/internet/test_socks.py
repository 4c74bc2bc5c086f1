"""By a SOCKS5 proxy: it is asked for vetted addresses alone, and it is told apart whose fault a failure is."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from postroom.delivery.routing import Approach, Host, Proxy, Target
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.security import Credentials, Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.doubles.socks import IPV4_BOUND, IPV6_BOUND, NAME_BOUND, Rude, Socks
from tests.internet.carrying import lines, mail, wire_with
from tests.internet.peer import polite, serving

ALICE = Credentials("alice", "open sesame")


def carry_by(wire: SmtpWire, proxy: Proxy, hosts: Sequence[tuple[str, int]]) -> Carried:
    carried: list[Carried] = []
    target = Target(
        route="r",
        hosts=tuple(Host(*each) for each in hosts),
        security=Security.OPPORTUNISTIC,
        approach=Approach(proxy=proxy),
    )
    wire.converse(target, iter([mail()]), time.monotonic() + 10, lambda _: True, lambda _, each: carried.append(each))
    (one,) = carried
    return one


@contextmanager
def destination() -> Iterator[int]:
    with serving(lambda guest: polite(guest, "PIPELINING", "CHUNKING")) as port:
        yield port


@pytest.mark.parametrize("login", [None, ("alice", "open sesame")])
@pytest.mark.parametrize("bound", [IPV4_BOUND, IPV6_BOUND, NAME_BOUND], ids=["IPv4", "IPv6", "a name"])
@pytest.mark.parametrize("crumbs", [False, True])
def test_a_letter_goes_through_a_proxy(
    wire: SmtpWire, login: tuple[str, str] | None, bound: bytes, crumbs: bool
) -> None:
    socks = Socks(login=login, bound=bound, crumbs=crumbs)
    with destination() as port, serving(socks) as proxy:
        carried = carry_by(wire, Proxy("localhost", proxy, ALICE if login else None), [("localhost", port)])
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    assert socks.asked == [("127.0.0.1", port)], "the name was resolved and vetted here"
    assert (carried.mx, carried.address) == ("localhost", "127.0.0.1")
    assert lines(carried)[:2] == ["S: 220 mx.example.net ESMTP", "C: EHLO client.example.org"]


def test_a_password_is_kept_from_a_proxy_that_wants_none(wire: SmtpWire) -> None:
    socks = Socks()
    with destination() as port, serving(socks) as proxy:
        carried = carry_by(wire, Proxy("localhost", proxy, ALICE), [("127.0.0.1", port)])
    assert carried.verdicts[0].fate is Fate.ACCEPTED
    assert socks.offered == [b"\x00\x02"]


@pytest.mark.parametrize(
    ("answer", "cause", "says"),
    [
        (1, "proxy", "the proxy failed"),
        (2, "proxy", "the proxy doesn't allow it"),
        (3, "connection_refused", "network unreachable"),
        (4, "connection_refused", "unreachable"),
        (5, "connection_refused", "refused the proxy's connection"),
        (6, "connection_timeout", "didn't answer the proxy in time"),
        (7, "proxy", "doesn't connect for anybody"),
        (8, "proxy", "doesn't know this kind of address"),
        (99, "proxy", "answered 99"),
    ],
)
def test_who_refused_is_told(wire: SmtpWire, answer: int, cause: str, says: str) -> None:
    socks = Socks(answer=answer)
    with serving(socks) as proxy:
        carried = carry_by(wire, Proxy("localhost", proxy), [("127.0.0.1", 25), ("127.0.0.2", 25)])
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, cause)
    assert says in str(verdict.note)
    assert f"127.0.0.2:25 through the proxy localhost:{proxy}" in str(verdict.note)
    assert [address for address, _ in socks.asked] == ["127.0.0.1", "127.0.0.2"], "the next one may be better"


@pytest.mark.parametrize(
    ("says", "note"),
    [
        pytest.param((), "the proxy hung up", id="not a word"),
        pytest.param((b"\x05",), "the proxy hung up", id="half an answer"),
        pytest.param((b"\x04\x00",), "doesn't speak SOCKS5", id="another version"),
        pytest.param((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "doesn't speak SOCKS5", id="another protocol"),
        pytest.param((b"\x05\xff",), "wants another authentication", id="no method will do"),
        pytest.param((b"\x05\x01",), "wasn't offered", id="GSSAPI"),
        pytest.param((b"\x05\x02", b"\x01\x01"), "refused our credentials", id="a wrong password"),
        pytest.param((b"\x05\x02", b"\x05\x00"), "refused our credentials", id="a yes of another version"),
    ],
)
def test_a_proxy_that_wont_have_us_is_asked_once(wire: SmtpWire, says: tuple[bytes, ...], note: str) -> None:
    with serving(Rude(says)) as proxy:
        carried = carry_by(wire, Proxy("127.0.0.1", proxy, ALICE), [("127.0.0.1", 25), ("127.0.0.2", 25)])
    (verdict,) = carried.verdicts
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "proxy")
    assert str(verdict.note).startswith(f"the proxy 127.0.0.1:{proxy}: ")
    assert note in str(verdict.note)
    assert "sesame" not in str(carried)


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(b"\x05\x00\x00\x01\x7f", id="it hangs up in the middle"),
        pytest.param(b"\x04\x00\x00\x01" + bytes(6), id="another version"),
        pytest.param(b"\x05\x00\x00\x02" + bytes(6), id="an address of no kind"),
        pytest.param(b"\x05\x00\x00\x03\xff" + bytes(9), id="a name that is longer than it says"),
    ],
)
def test_an_answer_that_isnt_one_is_the_proxys_fault(wire: SmtpWire, says: bytes) -> None:
    with serving(Rude((b"\x05\x00", says))) as proxy:
        carried = carry_by(wire, Proxy("127.0.0.1", proxy), [("127.0.0.1", 25)])
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, "proxy")]


@pytest.mark.parametrize(
    ("says", "cause"),
    [
        ((), "proxy"),
        ((b"\x05\x02",), "proxy"),
        ((b"\x05\x00",), "connection_timeout"),
        ((b"\x05\x00", b"\x05\x00\x00\x03\x40half of a na"), "connection_timeout"),
    ],
)
def test_a_slow_proxy_has_as_long_as_a_connection_may_take(says: tuple[bytes, ...], cause: str) -> None:
    rude = Rude(says, hangs_up=False)
    began = time.monotonic()
    with serving(rude) as proxy:
        carried = carry_by(wire_with(Timeouts(connect=0.3)), Proxy("127.0.0.1", proxy, ALICE), [("127.0.0.1", 25)])
        rude.over.set()
    assert time.monotonic() - began < 3
    assert [(verdict.fate, verdict.cause) for verdict in carried.verdicts] == [(Fate.DEFERRED, cause)]
    assert "in time" in str(carried.note)


def test_a_proxy_that_isnt_there_is_the_proxys_fault(wire: SmtpWire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    carried = carry_by(wire, Proxy("127.0.0.1", nobody), [("127.0.0.1", 25)])
    assert carried.verdicts[0].cause == "proxy"
    assert carried.note == f"the proxy 127.0.0.1:{nobody}: Connection refused"


def test_the_proxys_own_address_is_vetted(wire: SmtpWire) -> None:
    carried = carry_by(wire, Proxy("169.254.169.254", 1080), [("127.0.0.1", 25)])
    assert carried.verdicts[0].cause == "proxy"
    assert "169.254.169.254 is not a public address" in str(carried.note)


def test_a_destination_is_vetted_before_the_proxy_is_asked_for_it(wire: SmtpWire) -> None:
    socks = Socks()
    with serving(socks) as proxy:
        carried = carry_by(wire, Proxy("127.0.0.1", proxy), [("10.0.0.1", 25)])
    assert carried.verdicts[0].cause == "forbidden_address"
    assert not socks.asked


def test_an_ipv6_destination_is_asked_for_as_one() -> None:
    socks = Socks(answer=4)
    wire = wire_with(Timeouts(), allow="127.0.0.1,::1")
    with serving(socks) as proxy:
        carry_by(wire, Proxy("127.0.0.1", proxy), [("::1", 25)])
    assert socks.asked == [("::1", 25)]
