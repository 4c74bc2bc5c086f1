"""Postfix. A letter that it takes is held: it stays in a queue file, which is made of records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.servers.server import FIRST_ID, LATER, NOBODY, UNWELCOME, Host, Server, Taken, users
from tests.servers.unpacked import POSTFIX_COMMANDS, POSTFIX_DAEMONS, POSTFIX_LIBRARIES

USERS = ("postfix", "postdrop")

# What every Postfix needs that runs from a folder and nobody has installed.
UNINSTALLED = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = {commands}
shlib_directory = {libraries}
meta_directory = {folder}
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
import_environment = MAIL_CONFIG LD_LIBRARY_PATH LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
maillog_file_prefixes = {folder}
maillog_file = {folder}/log
inet_protocols = ipv4
mydestination =
local_recipient_maps =
in_flow_delay = 0
smtpd_peername_lookup = no
"""

MAIN = (
    UNINSTALLED
    + """\
myhostname = postfix.example.net
mynetworks = 192.0.2.0/24
relay_domains = static:all
local_header_rewrite_clients =
smtpd_tls_chain_files = {folder}/tls.pem
smtpd_error_sleep_time = 0
smtpd_client_event_limit_exceptions =
smtpd_client_restrictions = check_client_access static:hold
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/recipients
smtpd_data_restrictions = check_sender_access regexp:{folder}/senders
"""
)

MASTER = """\
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    name = "postfix"
    chunking = True

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or (None if os.geteuid() == 0 else "Postfix's master wants to be root's")

    def _prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        environment = users(self.folder, *USERS)
        self._write(
            "main.cf",
            MAIN.format(
                folder=self.folder, daemons=POSTFIX_DAEMONS, commands=POSTFIX_COMMANDS, libraries=POSTFIX_LIBRARIES
            ),
        )
        self._write("tls.pem", self.certificate.key + self.certificate.chain)
        self._write("master.cf", MASTER + "".join(map(self._listener, self.hosts)))
        self._write("recipients", f"/^{NOBODY}@/ 550 5.1.1 no such user\n/^{LATER}@/ 450 4.2.1 not now\n")
        self._write("senders", f"/^{UNWELCOME}@/ 554 5.7.1 not from you\n")
        for name in ("data", *(f"queue/{each}" for each in ("pid", "private", "public", "incoming", "active", "hold"))):
            (self.folder / name).mkdir(parents=True)
            if not name.endswith("pid"):
                os.chown(self.folder / name, FIRST_ID, FIRST_ID)
        return (str(POSTFIX_DAEMONS / "master"), "-c", str(self.folder), "-d"), environment

    def letters(self) -> list[Taken]:
        # A queue file is executable once it is whole.
        return [_taken(each) for each in (self.folder / "queue" / "hold").iterdir() if each.stat().st_mode & 0o100]

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.write_text(text)
        os.utime(file, (0, 0))  # Postfix waits for seconds before it reads what was written just now

    def _listener(self, host: Host) -> str:
        unsaid = [
            keyword for keyword, said in (("pipelining", host.pipelining), ("chunking", host.chunking)) if not said
        ]
        options = {
            "smtpd_discard_ehlo_keywords": ",".join(unsaid),
            "smtputf8_enable": "yes" if host.smtputf8 else "no",
            "message_size_limit": str(host.largest),
            "smtpd_client_message_rate_limit": str(host.most_letters),
            "smtpd_tls_security_level": "may" if host.tls else "none",
        }
        return f"{host.address}:{self.port} inet n - n - - smtpd\n" + "".join(
            f"  -o {name}={value}\n" for name, value in options.items()
        )


def _taken(queued: Path) -> Taken:
    """Of a queue file's records those of sender and recipients, and the lines of the letter."""
    sender, recipients, lines = "", [], []
    for kind, content in _records(queued.read_bytes()):
        match kind:
            case "S":
                sender = content.decode()
            case "R":
                recipients.append(content.decode())
            case "N":
                lines.append(content + b"\r\n")
            case "L":  # part of a long line
                lines.append(content)
    octets = b"".join(lines)
    assert octets.startswith(b"Received: ")
    end = octets.index(b"\r\n")
    while octets[end + 2 : end + 3] in (b" ", b"\t"):
        end = octets.index(b"\r\n", end + 2)
    return Taken(sender, tuple(recipients), octets[end + 2 :])


def _records(file: bytes) -> Iterator[tuple[str, bytes]]:
    """Each record is a letter for its kind, its length, seven bits an octet, and so many octets."""
    at = 0
    while at < len(file):
        kind, length, shift = chr(file[at]), 0, 0
        while True:
            at += 1
            length |= (file[at] & 0x7F) << shift
            shift += 7
            if file[at] < 0x80:
                break
        at += 1
        yield kind, file[at : at + length]
        at += length
        if kind == "E":
            return
