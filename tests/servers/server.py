"""What the servers have in common: hosts with manners, what they were given, and a process that is begun and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from postroom.house.supervisor import free_port
from tests.servers import unpacked

NOBODY = "nobody"
"""The local part of recipients that every server refuses, 550."""

LATER = "later"
"""That of recipients that every server defers, 450."""

UNWELCOME = "unwelcome"
"""That of senders whose letters are refused once they are sent, 550 or 554."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One address of a server, and its manners there."""

    address: str
    tls: bool = False
    pipelining: bool = True
    chunking: bool = True  # where the server knows it
    smtputf8: bool = True
    most_letters: int = 1000  # in one session, or where there is no such limit, in a minute
    largest: int = 20_000_000  # octets, said in EHLO


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of a server, for as many of its hosts as it names."""

    key: str  # PEM, as the chain is
    chain: str

    @classmethod
    def issue(cls, authority: trustme.CA, *names: str) -> Certificate:
        issued = authority.issue_cert(*names)
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        return cls(issued.private_key_pem.bytes().decode(), chain.decode())


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that the server has answered 250, without the trace that it added on top."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes


class Server(ABC):
    """A mail server with one or more hosts at one port, which takes what it is given and delivers nothing.

    It lives in `folder`, for which root has to let others in: the servers give up their privileges.
    """

    name: str
    chunking: bool  # whether it knows CHUNKING

    def __init__(self, folder: Path, hosts: Sequence[Host], certificate: Certificate) -> None:
        self.folder = folder
        self.hosts = hosts
        self.certificate = certificate
        self.port = free_port(hosts[0].address)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command, extra = self._prepare()
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**unpacked.environment(), **extra},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            for host in self.hosts:
                self._await_greeting(host.address)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    @classmethod
    def missing(cls) -> str | None:
        """Why it can't run here, or None."""
        return unpacked.missing()

    @abstractmethod
    def _prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """Write the configuration; the command that starts the server, and what its environment needs beside ours."""

    @abstractmethod
    def letters(self) -> list[Taken]:
        """What it has taken so far, in no order."""

    def letters_to(self, domain: str) -> list[Taken]:
        """Those with a recipient there."""
        return [letter for letter in self.letters() if any(each.endswith(f"@{domain}") for each in letter.recipients)]

    def _await_greeting(self, address: str) -> None:
        assert self._process is not None
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection((address, self.port), 5) as guest:
                    if guest.recv(3) == b"220":
                        return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} doesn't start: {(self.folder / 'output').read_text()}")
            time.sleep(0.02)

    def _stop(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it holds is for nobody
        self._process.wait()


FIRST_ID = 65000
"""Of the users that there are for root's servers."""


def users(folder: Path, *names: str) -> Mapping[str, str]:
    """An environment in which there are these users, and groups of the same names, whatever this machine has.

    Root's servers become one of them; those of anybody else stay who they are, whatever the name.
    """
    ids = range(FIRST_ID, FIRST_ID + len(names)) if os.geteuid() == 0 else [os.geteuid()] * len(names)
    lines = [("root", 0), *zip(names, ids, strict=True), (NOBODY, 65534)]
    passwd, group = folder / "passwd", folder / "group"
    passwd.write_text("".join(f"{name}:x:{id_}:{id_}::/:/bin/sh\n" for name, id_ in lines))
    group.write_text("".join(f"{name}:x:{id_}:\n" for name, id_ in lines))
    return {
        "LD_PRELOAD": "libnss_wrapper.so",
        "NSS_WRAPPER_PASSWD": str(passwd),
        "NSS_WRAPPER_GROUP": str(group),
    }
