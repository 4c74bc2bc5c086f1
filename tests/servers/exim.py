"""Exim. A letter that it takes stays in its spool: the header as it came in one file, the body in another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.servers.server import LATER, NOBODY, UNWELCOME, Host, Server, Taken, users
from tests.servers.unpacked import EXIM

USER = "Debian-exim"
"""Who Debian's Exim insists on being; see `users`."""

# What every Exim needs that runs from a folder and nobody has installed.
UNINSTALLED = """\
spool_directory = {folder}/spool
log_file_path = {folder}/spool/log/%slog
pid_file_path = {folder}/pid
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
exim_path = {exim}
local_interfaces = {addresses}
daemon_smtp_ports = {port}
host_lookup =
rfc1413_hosts =
"""

CONFIGURATION = (
    UNINSTALLED
    + """\
primary_hostname = exim.example.net
queue_only = true
smtp_accept_max = 100
dsn_advertise_hosts = *
tls_certificate = {folder}/tls.pem
tls_advertise_hosts = {tls}
pipelining_advertise_hosts = {pipelining}
chunking_advertise_hosts = {chunking}
smtputf8_advertise_hosts = {smtputf8}
smtp_accept_max_per_connection = {most_letters}
message_size_limit = {largest}
acl_smtp_rcpt = recipient
acl_smtp_data = letter

begin acl
recipient:
  deny
    local_parts = {nobody}
    message = 550 5.1.1 no such user
  defer
    local_parts = {later}
    message = 450 4.2.1 not now
  accept
letter:
  deny
    condition = ${{if eq {{$sender_address_local_part}}{{{unwelcome}}}}}
    message = 554 5.7.1 not from you
  accept

begin routers
all:
  driver = accept
  transport = nowhere

begin transports
nowhere:
  driver = appendfile
  file = /dev/null
"""
)

HEADER = re.compile(rb"(\d{3,})(.) ")


class Exim(Server):
    name = "exim"
    chunking = True

    def _prepare(self) -> tuple[Sequence[str], Mapping[str, str]]:
        (self.folder / "tls.pem").write_text(self.certificate.key + self.certificate.chain)
        configuration = self.folder / "exim.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                exim=EXIM,
                addresses=" : ".join(host.address for host in self.hosts),
                port=self.port,
                tls=self._where(lambda host: "*" if host.tls else ""),
                pipelining=self._where(lambda host: "*" if host.pipelining else ""),
                chunking=self._where(lambda host: "*" if host.chunking else ""),
                smtputf8=self._where(lambda host: "*" if host.smtputf8 else ""),
                most_letters=self._where(lambda host: str(host.most_letters)),
                largest=self._where(lambda host: str(host.largest)),
                nobody=NOBODY,
                later=LATER,
                unwelcome=UNWELCOME,
            )
        )
        return (str(EXIM), "-C", str(configuration), "-bdf"), users(self.folder, USER)

    def letters(self) -> list[Taken]:
        # The header is written last, under its name once it is whole.
        return [_taken(each) for each in (self.folder / "spool" / "input").glob("*-H")]

    def _where(self, what: Callable[[Host], str]) -> str:
        """An expression for Exim: what holds at the address that its guest has come to."""
        expression = ""
        for host in self.hosts:
            expression = f"${{if eq {{$received_ip_address}}{{{host.address}}}{{{what(host)}}}{{{expression}}}}}"
        return expression


def _taken(spooled: Path) -> Taken:
    envelope, _, header = spooled.read_bytes().partition(b"\n\n")
    lines = envelope.decode().split("\n")
    # Behind the number of recipients come these, each with what Exim notes about it.
    count = max(at for at, line in enumerate(lines) if line.isdecimal())
    recipients = tuple(line.partition(" ")[0] for line in lines[count + 1 :])
    fields = []
    while found := HEADER.match(header):
        end = found.end() + int(found[1])
        fields.append(header[found.end() : end])
        header = header[end:]
    assert fields[0].startswith(b"Received: ")
    body = spooled.with_name(spooled.name[:-1] + "D").read_bytes().partition(b"\n")[2]
    octets = b"".join(fields[1:]) + b"\n" + body
    return Taken(lines[2].strip("<>"), recipients, octets.replace(b"\n", b"\r\n"))
