"""A gate in front of a service: while it is shut, what is said to the service waits, as with a network that stalls."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType


class Gate:
    """Forwards connections from a port of the loopback to `service`, HOST:PORT, while it is entered."""

    def __init__(self, service: str) -> None:
        host, _, port = service.rpartition(":")
        self._service = (host, int(port))
        self._open = Event()
        self._open.set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{1}".format(*self._server.getsockname())
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Gate:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.open()
        self._server.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @property
    def guests(self) -> int:
        """How many connections came so far."""
        return len(self._sockets) // 2

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                guest, _ = self._server.accept()
                service = socket.create_connection(self._service)
            except OSError:
                return
            self._sockets += (guest, service)
            for source, drain in ((guest, service), (service, guest)):
                Thread(target=self._forward, args=(source, drain), daemon=True).start()

    def _forward(self, source: socket.socket, drain: socket.socket) -> None:
        with suppress(OSError):
            while octets := source.recv(65536):
                self._open.wait()
                drain.sendall(octets)
        with suppress(OSError):
            drain.shutdown(socket.SHUT_WR)
