"""Exim and Postfix as relays: what they take they carry to one server, and what that refuses they report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.exim import UNINSTALLED as UNINSTALLED_EXIM
from tests.servers.exim import USER, Exim
from tests.servers.postfix import MASTER, USERS, Postfix
from tests.servers.postfix import UNINSTALLED as UNINSTALLED_POSTFIX
from tests.servers.server import FIRST_ID, Certificate, Host, Server, Taken, users
from tests.servers.unpacked import EXIM, POSTFIX_COMMANDS, POSTFIX_DAEMONS, POSTFIX_LIBRARIES

EXIM_RELAY = (
    UNINSTALLED_EXIM
    + """\
primary_hostname = relay.example.net
tls_advertise_hosts =
acl_smtp_rcpt = accept

begin acl

begin routers
on:
  driver = manualroute
  route_list = * 127.0.0.1::{onward}
  self = send
  transport = smtp

begin transports
smtp:
  driver = smtp
  hosts_avoid_tls = *

begin retry
* * F,5m,1m
"""
)

POSTFIX_RELAY = (
    UNINSTALLED_POSTFIX
    + """\
myhostname = relay.example.net
mynetworks = 127.0.0.0/8
relay_domains = static:all
transport_maps = static:smtp:[127.0.0.1]:{onward}
smtp_host_lookup = native
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
"""
)

POSTFIX_RELAY_MASTER = (
    MASTER
    + """\
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
{address}:{port} inet n - n - - smtpd
"""
)

QUEUES = ("pid", "private", "public", "incoming", "active", "deferred", "bounce", "defer", "trace", "hold", "corrupt")


class Relay(Server):
    """Its guests' letters go on to `onward`, a port of 127.0.0.1; so do its reports."""

    chunking = True

    def __init__(self, folder: Path, host: Host, certificate: Certificate, onward: int) -> None:
        super().__init__(folder, [host], certificate)
        self.onward = onward

    def letters(self) -> list[Taken]:
        return []  # it keeps none

    @property
    def _where(self) -> Mapping[str, object]:
        return {
            "folder": self.folder,
            "exim": EXIM,
            "address": self.hosts[0].address,
            "addresses": self.hosts[0].address,
            "port": self.port,
            "onward": self.onward,
            "daemons": POSTFIX_DAEMONS,
            "commands": POSTFIX_COMMANDS,
            "libraries": POSTFIX_LIBRARIES,
        }


class EximRelay(Relay):
    name = "exim"

    @classmethod
    def missing(cls) -> str | None:
        return Exim.missing()

    def _prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        configuration = self.folder / "exim.conf"
        configuration.write_text(EXIM_RELAY.format(**self._where))
        return (str(EXIM), "-C", str(configuration), "-bdf"), users(self.folder, USER)


class PostfixRelay(Relay):
    name = "postfix"

    @classmethod
    def missing(cls) -> str | None:
        return Postfix.missing()

    def _prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        environment = users(self.folder, *USERS)
        for name, text in (("main.cf", POSTFIX_RELAY), ("master.cf", POSTFIX_RELAY_MASTER)):
            file = self.folder / name
            file.write_text(text.format(**self._where))
            os.utime(file, (0, 0))  # Postfix waits for seconds before it reads what was written just now
        for name in ("data", *(f"queue/{each}" for each in QUEUES)):
            (self.folder / name).mkdir(parents=True)
            if not name.endswith("pid"):
                os.chown(self.folder / name, FIRST_ID, FIRST_ID)
        return (str(POSTFIX_DAEMONS / "master"), "-c", str(self.folder), "-d"), environment
