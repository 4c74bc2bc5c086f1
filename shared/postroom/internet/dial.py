"""A connected socket to a vetted address: dialled ourselves, or by a proxy that is asked for this very address."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from postroom.delivery.routing import Proxy
from postroom.internet import socks

# Linux alone has it: a port is then chosen when the other end is known, so that all of them serve each other end.
_NO_PORT_YET = 24 if sys.platform == "linux" else None


class Unconnected(Exception):
    """There is no connection. `hopeless`: nor would there be one to another address."""

    def __init__(self, why: str, cause: str, *, hopeless: bool = False) -> None:
        super().__init__(why)
        self.cause = cause
        self.hopeless = hopeless


@dataclass(frozen=True, slots=True)
class Road:
    """How this process gets to an address: from which of its own, and by which proxy, at vetted addresses."""

    source: str | None = None
    proxy: Proxy | None = None
    proxies: Sequence[str] = ()


def place(host: str, address: str, port: int) -> str:
    """How a server is named to people."""
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return where if host == address else f"{host} ({where})"


async def dial(host: str, address: str, port: int, road: Road, seconds: float) -> socket.socket:
    """A connection to `address`, which is the server `host`'s, within `seconds`. Raises `Unconnected`."""
    deadline = asyncio.get_running_loop().time() + seconds
    if road.proxy is None:
        return await _directly(place(host, address, port), address, port, road, deadline)
    sock = await _to_the_proxy(road.proxy, road, deadline)
    there = f"{place(host, address, port)} through the proxy {road.proxy.host}:{road.proxy.port}"
    try:
        async with asyncio.timeout_at(deadline):
            await socks.connect(sock, address, port)
    except TimeoutError as error:
        sock.close()
        raise Unconnected(f"{there}: no answer in time", "connection_timeout") from error
    except OSError as error:
        sock.close()
        raise Unconnected(f"{there}: {_why(error)}", getattr(error, "cause", "proxy")) from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _to_the_proxy(proxy: Proxy, road: Road, deadline: float) -> socket.socket:
    """A connection to the first of its addresses that will have us."""
    last = Unconnected(f"the proxy {proxy.host} has no address", "proxy", hopeless=True)
    for address in road.proxies:
        there = f"the proxy {place(proxy.host, address, proxy.port)}"
        try:
            sock = await _directly(there, address, proxy.port, road, deadline)
        except Unconnected as error:
            last = Unconnected(str(error), "source" if error.cause == "source" else "proxy", hopeless=True)
            continue
        try:
            async with asyncio.timeout_at(deadline):
                await socks.introduce(sock, proxy.credentials)
        except OSError as error:  # a TimeoutError is one
            sock.close()
            why = "no answer in time" if isinstance(error, TimeoutError) else _why(error)
            last = Unconnected(f"{there}: {why}", "proxy", hopeless=True)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise last


async def _directly(there: str, address: str, port: int, road: Road, deadline: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if road.source is not None:
            _leave_from(sock, road.source)
        async with asyncio.timeout_at(deadline):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException as error:
        sock.close()
        if isinstance(error, TimeoutError):
            raise Unconnected(f"{there} didn't answer in time", "connection_timeout") from error
        if isinstance(error, OSError):
            raise Unconnected(f"{there}: {_why(error)}", "connection_refused") from error
        raise
    return sock


def _leave_from(sock: socket.socket, source: str) -> None:
    if _NO_PORT_YET is not None:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
    try:
        sock.bind((source, 0))
    except OSError as error:
        raise Unconnected(f"this machine can't dial from {source}: {_why(error)}", "source", hopeless=True) from error


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
