"""A socket with a bound on the time and on the octets that are read: what drips or never ends is cut off."""

from __future__ import annotations

import io
import socket
from time import monotonic


class TooMuch(Exception):
    """More octets came than may."""


class Bounded:
    """As much of a socket as `http.client` uses. Every step raises TimeoutError once `until` is over."""

    def __init__(self, sock: socket.socket, until: float, most: int) -> None:
        """`until` is monotonic; reading beyond `most` octets raises `TooMuch`."""
        self._sock = sock
        self._until = until
        self._left = most

    def sendall(self, octets: bytes) -> None:
        self._wait()
        self._sock.sendall(octets)  # its timeout is for all of them, under TLS too

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Ear(self))

    def close(self) -> None:
        """The socket is closed by whoever opened it: an answer may still be read from it."""

    def receive(self, buffer: memoryview) -> int:
        """Octets read into the buffer; 0 where the other side has ended."""
        if self._left <= 0:
            raise TooMuch
        self._wait()
        count = self._sock.recv_into(buffer[: self._left])
        self._left -= count
        return count

    def _wait(self) -> None:
        seconds = self._until - monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._sock.settimeout(seconds)


class _Ear(io.RawIOBase):
    def __init__(self, bounded: Bounded) -> None:
        self._bounded = bounded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a memoryview is what BufferedReader hands
        return self._bounded.receive(buffer)
