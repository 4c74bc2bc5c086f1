"""`postroom dev`: the whole house on a laptop, with a destination server that lets nothing out.

Every attempt is printed as it is recorded: the conversation, line by line, with its milliseconds.
"""

from __future__ import annotations

import hmac
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from postroom import wiring
from postroom.account.key import new_token
from postroom.api import representation
from postroom.clouds.clock import now
from postroom.clouds.local.database import Database
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.actors import Role
from postroom.delivery.attempt import Attempt
from postroom.house.catchall import CatchAllServer
from postroom.house.signals import on_stop
from postroom.house.supervisor import Supervisor, free_port, house, listening_at, only_here
from postroom.setting import in_url
from postroom.settings import Settings
from postroom.terminal import Terminal

LOOPBACK = "127.0.0.0/8,::1/128"


def run(given: Mapping[str, str], *, quiet: bool) -> int:
    """Run until SIGINT or SIGTERM; the exit status. `given` are the variables that the caller sets."""
    asked = Settings.from_environment(given)
    only_here(asked)
    smtp_port = free_port("127.0.0.1")
    before = wiring.prepare(asked)
    inbox = before.data / "inbox"
    catch_all = CatchAllServer(inbox, "127.0.0.1", smtp_port, now)
    host, port = listening_at(before.listen)
    variables = {
        **_defaults(smtp_port, catch_all.certificate),
        "POSTROOM_BOOTSTRAP_KEY": _own_key(before),
        **given,
        **before.secrets(),
        "POSTROOM_LISTEN": f"{in_url(host)}:{port}",
    }
    settings = Settings.from_environment(variables)
    children = house(host, port, variables, workers=1, threads=16)
    supervisor = Supervisor(children)
    on_stop(supervisor.stop)
    terminal = Terminal()
    submissions = LocalSubmissions(Database(settings.data))
    seen = submissions.newest_attempt()
    catch_all.start()
    try:
        supervisor.start()
        supervisor.wait_until_ready(host, port)
        if not supervisor.stopping:
            _welcome(terminal, settings, inbox, smtp_port, caught="POSTROOM_ROUTES" not in given)
        while not supervisor.stopping:
            supervisor.tend()
            for number, attempt in submissions.attempts_after(seen):
                seen = number
                if not quiet:
                    _print(terminal, attempt)
    finally:
        supervisor.end()
        catch_all.stop()
    terminal.line("\nstopped")
    return 0


def _defaults(smtp_port: int, certificate: Path) -> dict[str, str]:
    """What `dev` sets unless somebody else does: nothing leaves the machine, and every From is taken."""
    return {
        "POSTROOM_CA_FILE": str(certificate),
        "POSTROOM_LOG": "errors",  # the terminal shows the conversations themselves
        "POSTROOM_ROUTES": f'[[route]]\nname = "catch-all"\nvia = "smtp://127.0.0.1:{smtp_port}"\n',
        "POSTROOM_TEST_DOMAIN": "postroom.test",
        "POSTROOM_VERIFIED_SENDERS": "any",
        "POSTROOM_DIAL_ALLOW": LOOPBACK,
    }


def _own_key(settings: Settings) -> str:
    """The same key at every start in one folder, so that an application needn't be told a new one each time.

    It is not stored: it follows from a secret that is.
    """
    return new_token(hmac.digest((settings.task_secret or "").encode(), b"the key of postroom dev", "sha256"))


def _welcome(terminal: Terminal, settings: Settings, inbox: Path, smtp_port: int, *, caught: bool) -> None:
    letter = {
        "from": "you@example.com",
        "to": "friend@example.net",
        "subject": "Hello from postroom",
        "text": "It works.",
    }
    key = settings.bootstrap_key
    where = "Nothing leaves this machine." if caught else "Letters go where your routes table sends them."
    terminal.line(f"postroom is running. {where}", "bold green" if caught else "bold yellow")
    terminal.line(f"  API        {settings.url}")
    terminal.line(f"  catch-all  127.0.0.1:{smtp_port}, letters in {inbox}")
    terminal.line(f"  API key    {key}")
    if settings.test_domain:
        roles = ", ".join(f"{role}@" for role in Role)
        terminal.line(f"  to test    {roles} of {settings.test_domain} act out what they are called")
    terminal.line("\nSend a letter from another terminal:\n", "bold")
    terminal.line(
        f"curl -s {settings.url}/emails -H 'Authorization: Bearer {key}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(letter)}'"
    )
    terminal.line("\nor, with this command line:\n", "bold")
    terminal.line(
        f"POSTROOM_PUBLIC_URL={settings.url} POSTROOM_API_KEY={key} "
        f"{_own_command()} send --from you@example.com --to friend@example.net "
        "--subject Hello --text 'It works.' --wait"
    )
    terminal.line("\nCtrl-C stops everything.\n", "dim")


def _own_command() -> str:
    """How the one at the terminal has called us, for the next line to be typed the same way."""
    called = Path(sys.argv[0])
    return shlex.quote(str(called)) if called.name == "postroom" else "postroom"


def _print(terminal: Terminal, attempt: Attempt) -> None:
    terminal.attempt(representation.attempt(attempt), attempt.submission)
    terminal.line()
