"""Postfix and Exim as clients: each is given letters for one destination, and left to carry them there by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from postroom.house.supervisor import free_port
from tests.benchmarks.clients import LETTER, RECIPIENT, SENDER
from tests.benchmarks.sink_process import await_greeting
from tests.servers.postfix import UNINSTALLED
from tests.servers.server import users
from tests.servers.unpacked import EXIM, POSTFIX_COMMANDS, POSTFIX_DAEMONS, POSTFIX_LIBRARIES, SMTP_SOURCE, environment

MAIN = (
    UNINSTALLED
    + """\
myhostname = postfix.example.org
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{port}
default_destination_concurrency_limit = 1
smtp_connection_cache_destinations = 127.0.0.1
smtp_tls_security_level = may
smtp_tls_connection_reuse = yes
"""
)

MASTER = """\
127.0.0.1:{door} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
retry unix - - n - - error
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

POSTFIX_FOLDERS = ("pid", "private", "public", "maildrop", "incoming", "active", "hold", "deferred", "defer", "bounce")

EXIM_CONFIGURATION = """\
primary_hostname = exim.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/spool/log/%slog
exim_path = {exim}
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
host_lookup =
queue_only = true
acl_smtp_rcpt = accept

begin routers
there:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = there

begin transports
there:
  driver = smtp
  port = {port}
  allow_localhost
"""


@contextmanager
def postfix(port: int, letters: int) -> Iterator[None]:
    """Postfix's smtp(8), with its cache of connections. Its master wants to be root."""
    with _folder() as folder:
        door = free_port("127.0.0.1")
        given: Mapping[str, str] = {**environment(), **users(folder, "postfix", "postdrop")}
        programs = {"daemons": POSTFIX_DAEMONS, "commands": POSTFIX_COMMANDS, "libraries": POSTFIX_LIBRARIES}
        for name, text in (
            ("main.cf", MAIN.format(folder=folder, port=port, **programs)),
            ("master.cf", MASTER.format(door=door)),
        ):
            (folder / name).write_text(text)
            os.utime(folder / name, (0, 0))  # it waits for seconds before it reads what was written just now
        for name in ("data", *(f"queue/{each}" for each in POSTFIX_FOLDERS)):
            (folder / name).mkdir(parents=True)
            if not name.endswith("pid"):
                os.chown(folder / name, 65000, 65000)
        master = (str(POSTFIX_DAEMONS / "master"), "-c", str(folder), "-d")
        with _running(master, folder, given):
            await_greeting(door)
            source = (SMTP_SOURCE, "-d", "-m", str(letters), "-l", str(len(LETTER)), "-f", SENDER, "-t", RECIPIENT)
            subprocess.run([*map(str, source), f"127.0.0.1:{door}"], env=given, check=True)
            yield


@contextmanager
def exim(port: int, letters: int) -> Iterator[None]:
    """Exim's queue runner, which routes all letters first and so knows which go the same way."""
    with _folder() as folder:
        configuration = folder / "exim.conf"
        configuration.write_text(EXIM_CONFIGURATION.format(folder=folder, exim=EXIM, port=port))
        given = {**environment(), **users(folder, "Debian-exim")}
        command = (str(EXIM), "-C", str(configuration))
        batch = b"MAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n%b.\r\n" % (SENDER.encode(), RECIPIENT.encode(), LETTER)
        subprocess.run([*command, "-bS"], input=batch * letters, env=given, check=True, capture_output=True)
        with _running((*command, "-qq"), folder, given):
            yield


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # root's servers give up their privileges
        yield folder


@contextmanager
def _running(command: Sequence[str], folder: Path, given: Mapping[str, str]) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=given, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
