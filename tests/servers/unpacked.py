"""Where `tests/servers/fetch` has put the programs, and the environment that they need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(os.environ.get("POSTROOM_SERVERS") or Path(__file__).parents[2] / ".servers").absolute()
_DEBIAN = FOLDER / "debian"
_SBIN = _DEBIAN / "usr" / "sbin"

EXIM = _SBIN / "exim4"  # server and client; it asks for a user, see `users` in tests/servers/server.py
POSTFIX_LIBRARIES = _DEBIAN / "usr" / "lib" / "postfix"  # shlib_directory
POSTFIX_DAEMONS = POSTFIX_LIBRARIES / "sbin"  # daemon_directory, with smtp(8) and smtpd(8)
POSTFIX_COMMANDS = _SBIN  # command_directory, with postconf(1) and postqueue(1)
SMTP_SINK = _SBIN / "smtp-sink"  # started by root, it wants -u USER
SMTP_SOURCE = _SBIN / "smtp-source"
UNBOUND = _SBIN / "unbound"
MICROSOCKS = _DEBIAN / "usr" / "bin" / "microsocks"
HARAKA = FOLDER / "haraka" / "node_modules" / "Haraka"
CLIENTS = FOLDER / "clients"  # a folder with node_modules


def missing() -> str | None:
    """Why the servers can't run here, or None."""
    return None if (FOLDER / "fetched").is_file() else f"no mail servers in {FOLDER}: tests/servers/fetch fetches them"


def environment() -> Mapping[str, str]:
    """This process's, and where Debian's programs find the libraries that were unpacked with them."""
    libraries = [*(_DEBIAN / "usr" / "lib").glob("*-linux-gnu*"), POSTFIX_LIBRARIES]
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}


def node() -> str:
    """The Node that runs Haraka and the clients: the one fetched where this machine's is missing or too old."""
    own = FOLDER / "node" / "node"
    found = str(own) if own.exists() else shutil.which("node")
    assert found is not None, "no node"
    return found


def nss_wrapper() -> Path:
    """A library to be preloaded, which reads users and groups from files of ours."""
    return next((_DEBIAN / "usr" / "lib").glob("*-linux-gnu*/libnss_wrapper.so"))
