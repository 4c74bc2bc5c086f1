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
        self.heard = False  # any octet
        self.surplus = False  # more was read than whoever read the file has wanted

    def sendall(self, octets: bytes | bytearray) -> None:
        self._wait()
        self._sock.sendall(octets)  # its timeout is for all of them, under TLS too

    def makefile(self, _mode: str) -> io.BufferedReader:
        return _File(_Ear(self))

    def close(self) -> None:
        """The socket is closed by whoever opened it: an answer may still be read from it."""

    def receive(self, buffer: memoryview) -> int:
        """Octets read into the buffer; 0 where the other side has ended."""
        if self._left <= 0:
            raise TooMuch
        self._wait()
        count = self._sock.recv_into(buffer[: self._left])
        self._left -= count
        self.heard = self.heard or count > 0
        return count

    def end_by(self, until: float) -> None:
        """Take no longer than that, which is monotonic."""
        self._until = min(self._until, until)

    def _wait(self) -> None:
        seconds = self._until - monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._sock.settimeout(seconds)


class _Ear(io.RawIOBase):
    def __init__(self, bounded: Bounded) -> None:
        self.bounded = bounded
        self.deaf = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # that is what BufferedReader hands
        return None if self.deaf else self.bounded.receive(buffer)


class _File(io.BufferedReader):
    def __init__(self, ear: _Ear) -> None:
        super().__init__(ear)
        self._ear = ear

    def close(self) -> None:
        if not self.closed:
            self._ear.deaf = True  # or a look at what is left would wait for more
            self._ear.bounded.surplus = bool(self.peek())
        super().close()
