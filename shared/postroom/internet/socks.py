"""SOCKS5 from the client's side (RFC 1928, and a user's name and password by RFC 1929), on a socket of our own.

The proxy is asked for an address, never for a name: what it connects to is what was vetted. Exactly its answers are
read, so that a server that speaks first is heard by whoever gets the socket.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, ip_address

from postroom.smtp.security import Credentials


class NotConnected(OSError):
    """The proxy didn't connect us. `cause` tells whose fault it is: `proxy`, or as if we had dialled ourselves."""

    def __init__(self, why: str, cause: str = "proxy") -> None:
        super().__init__(why)
        self.cause = cause


_NO_AUTHENTICATION, _BY_PASSWORD, _NONE_WILL_DO = 0, 2, 255
_REFUSALS = {  # RFC 1928 §6
    1: ("the proxy failed", "proxy"),
    2: ("the proxy doesn't allow it", "proxy"),
    3: ("the proxy finds its network unreachable", "connection_refused"),
    4: ("the proxy finds it unreachable", "connection_refused"),
    5: ("it refused the proxy's connection", "connection_refused"),
    6: ("it didn't answer the proxy in time", "connection_timeout"),
    7: ("the proxy doesn't connect for anybody", "proxy"),
    8: ("the proxy doesn't know this kind of address", "proxy"),
}
_OCTETS_OF = {1: 4, 4: 16}  # by the type of an address


async def introduce(sock: socket.socket, credentials: Credentials | None) -> None:
    """Agree on how to authenticate, and do it. Raises `NotConnected`, OSError where it breaks."""
    methods = bytes([_NO_AUTHENTICATION, _BY_PASSWORD] if credentials else [_NO_AUTHENTICATION])
    await _say(sock, bytes([5, len(methods)]) + methods)
    version, method = await _hear(sock, 2)
    if version != 5:
        raise NotConnected("the proxy doesn't speak SOCKS5")
    if method == _BY_PASSWORD and credentials is not None:
        await _authenticate(sock, credentials)
    elif method == _NONE_WILL_DO:
        raise NotConnected(f"the proxy wants another authentication than {'a password' if credentials else 'none'}")
    elif method != _NO_AUTHENTICATION:
        raise NotConnected("the proxy chose an authentication that it wasn't offered")


async def _authenticate(sock: socket.socket, credentials: Credentials) -> None:
    username, password = credentials.username.encode(), credentials.password.encode()
    await _say(sock, b"".join([b"\x01", bytes([len(username)]), username, bytes([len(password)]), password]))
    version, status = await _hear(sock, 2)
    if version != 1 or status != 0:  # RFC 1929 §2
        raise NotConnected("the proxy refused our credentials")


async def connect(sock: socket.socket, address: str, port: int) -> None:
    """Have the proxy connect; from then on `sock` leads there. Raises `NotConnected`, OSError where it breaks."""
    asked = ip_address(address)
    kind = 1 if isinstance(asked, IPv4Address) else 4
    await _say(sock, bytes([5, 1, 0, kind]) + asked.packed + port.to_bytes(2, "big"))
    version, answer, _, kind = await _hear(sock, 4)
    if version != 5:
        raise NotConnected("the proxy doesn't keep to SOCKS5")
    if answer != 0:
        raise NotConnected(*_REFUSALS.get(answer, (f"the proxy answered {answer}, which means nothing", "proxy")))
    # The address that the proxy is bound to, of which we make nothing. It may be a name too.
    octets = (await _hear(sock, 1))[0] if kind == 3 else _OCTETS_OF.get(kind)
    if octets is None:
        raise NotConnected("the proxy doesn't keep to SOCKS5")
    await _hear(sock, octets + 2)


async def _say(sock: socket.socket, octets: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, octets)


async def _hear(sock: socket.socket, count: int) -> bytes:
    heard = b""
    while len(heard) < count:
        piece = await asyncio.get_running_loop().sock_recv(sock, count - len(heard))
        if not piece:
            raise NotConnected("the proxy hung up")
        heard += piece
    return heard
