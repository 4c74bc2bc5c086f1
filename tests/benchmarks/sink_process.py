"""A sink in a process of its own, so that its work isn't counted with anybody else's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postroom.house.supervisor import free_port
from tests.servers import unpacked

SCRIPT = Path(__file__).with_name("sink.py")


class SinkProcess:
    def __init__(self, *options: str) -> None:
        """`options` are those of sink.py, such as "--chunking"."""
        self.port = free_port("127.0.0.1")
        self._process = subprocess.Popen(
            [sys.executable, SCRIPT, str(self.port), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def __enter__(self) -> SinkProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def taken(self) -> int:
        """How many letters, so far."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Postfix's own sink, written in C; its port."""
    port = free_port("127.0.0.1")
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    command = (str(unpacked.SMTP_SINK), *user, f"127.0.0.1:{port}", "1000")
    process = subprocess.Popen(command, env=unpacked.environment())
    try:
        await_greeting(port)
        yield port
    finally:
        process.kill()
        process.wait()


def await_greeting(port: int) -> None:
    """Raises TimeoutError where nobody greets at that port of the loopback within 20 s."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as guest:
                if guest.recv(3) == b"220":
                    return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nobody greeted at port {port}")
