"""A proxy that isn't of our own making, on the way to a server: microsocks."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from postroom.delivery.routing import Proxy
from postroom.smtp.security import Credentials
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.internet.carrying import wire_with
from tests.internet.peer import polite, serving
from tests.internet.test_socks import carry_by
from tests.servers.microsocks import microsocks, missing

ALICE = Credentials("alice", "open sesame")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    if absent := missing():
        pytest.skip(absent)
    with microsocks(ALICE.username, ALICE.password) as port:
        yield Proxy("127.0.0.1", port, ALICE)


def test_a_letter_goes_through_it(proxy: Proxy) -> None:
    with serving(lambda guest: polite(guest, "PIPELINING", "CHUNKING")) as port:
        carried = carry_by(wire_with(Timeouts()), proxy, [("127.0.0.1", port)])
    assert carried.verdicts[0].fate is Fate.ACCEPTED


@pytest.mark.parametrize("credentials", [None, Credentials("alice", "guessed")], ids=["nobody", "a guesser"])
def test_it_lets_nobody_else_through(proxy: Proxy, credentials: Credentials | None) -> None:
    carried = carry_by(wire_with(Timeouts()), Proxy(proxy.host, proxy.port, credentials), [("127.0.0.1", 25)])
    assert carried.verdicts[0].cause == "proxy"
    assert str(carried.note).startswith(f"the proxy 127.0.0.1:{proxy.port}: ")


def test_it_says_that_the_destination_refused(proxy: Proxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    carried = carry_by(wire_with(Timeouts()), proxy, [("127.0.0.1", nobody)])
    assert carried.verdicts[0].cause == "connection_refused"
    assert "it refused the proxy's connection" in str(carried.note)
