"""microsocks, a small SOCKS5 server of Debian's."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from postroom.house.supervisor import free_port
from tests.servers.unpacked import MICROSOCKS


def missing() -> str | None:
    """Why it can't run here, or None."""
    return None if MICROSOCKS.is_file() else f"no microsocks at {MICROSOCKS}: tests/servers/fetch fetches it"


@contextmanager
def microsocks(username: str, password: str) -> Iterator[int]:
    """The port of one that lets this user through."""
    port = free_port("127.0.0.1")
    command = [str(MICROSOCKS), "-i", "127.0.0.1", "-p", str(port), "-u", username, "-P", password]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port, process)
            yield port
        finally:
            process.kill()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, "microsocks has ended"
            assert time.monotonic() < end, "microsocks doesn't listen"
            time.sleep(0.02)
