"""The seam with aiosmtplib: what postroom relies on of its public face, so that a release that moves it is noticed."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from importlib.metadata import version

import aiosmtplib
import pytest
import trustme

from postroom.internet.loop import new_loop
from tests.internet.peer import Guest, introduced, serving
from tests.internet.test_wire import server_context


def test_its_version_is_one_whose_handshake_is_mended() -> None:
    """Before 5.1.3 a reply out of turn could be taken for the next command's."""
    assert (5, 1, 3) <= tuple(map(int, version("aiosmtplib").split(".")[:3])) < (6,)


@pytest.mark.parametrize("name", ["connect", "ehlo", "helo", "starttls", "execute_command"])
def test_each_step_of_the_handshake_is_a_public_call_with_a_timeout(name: str) -> None:
    assert "timeout" in inspect.signature(getattr(aiosmtplib.SMTP, name)).parameters


class Taken(asyncio.BufferedProtocol):
    """A protocol of our own in place of aiosmtplib's."""

    def __init__(self) -> None:
        self.buffer = bytearray(1024)
        self.heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard.set_result(bytes(self.buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.gone.set_result(None)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, new_loop], ids=["asyncio", "the fastest there is"])
@pytest.mark.parametrize("tls", [False, True])
def test_its_transport_can_be_taken_over(tls: bool, loop: object, authority: trustme.CA) -> None:
    context = server_context(authority, "localhost")
    checked = ssl.create_default_context()
    authority.configure_trust(checked)

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, "STARTTLS")
        if tls:
            guest.hear()
            guest.say("220 go ahead")
            guest.encrypt(context)
            introduced(guest)
        assert guest.hear() == b"NOOP one\r\n"
        assert guest.hear() == b"NOOP two\r\n"
        guest.say("250 one", "250 two")

    async def talk(port: int) -> bytes:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setblocking(False)
        client = aiosmtplib.SMTP(
            hostname="localhost", sock=sock, start_tls=False, tls_context=checked, local_hostname="-"
        )
        assert (await client.connect(timeout=5)).code == 220
        assert (await client.ehlo(hostname="client.example.org", timeout=5)).code == 250
        if tls:
            assert (await client.starttls(tls_context=checked, server_hostname="localhost", timeout=5)).code == 220
            assert (await client.ehlo(hostname="client.example.org", timeout=5)).code == 250
        transport = client.transport
        assert transport is not None
        assert (transport.get_extra_info("ssl_object") is not None) is tls
        ours = Taken()
        transport.set_protocol(ours)
        client.protocol = client.transport = None
        assert hasattr(transport, "write")
        transport.write(b"NOOP one\r\nNOOP two\r\n")
        heard = await asyncio.wait_for(ours.heard, 5)
        transport.close()
        await ours.gone
        return heard

    with serving(serve) as port, asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]  # both make one
        assert runner.run(talk(port)) == b"250 one\r\n250 two\r\n"
