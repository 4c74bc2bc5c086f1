"""The whole house in processes of its own, and a client of its API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from postroom.house.supervisor import free_port
from tests.journeys.deployments import COMMAND, Place, on_one_machine

ROOT = Path(__file__).parents[2]
KEY = "pr_for_all_the_journeys"


def clean_environment() -> dict[str, str]:
    """This process's, without settings that somebody's shell may hold."""
    return {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}


class Office:
    """One house: its settings, its supervisor's process, its API. It stands on one machine unless `place` says else."""

    def __init__(self, folder: Path, destination_port: int, place: Place | None = None, **settings: str) -> None:
        self.place = place or on_one_machine()
        self.host, self.port = "127.0.0.1", free_port("127.0.0.1")
        self.folder = folder
        self.settings = {
            "POSTROOM_DATA": str(folder),
            "POSTROOM_LISTEN": f"127.0.0.1:{self.port}",
            "POSTROOM_ROUTES": f'[[route]]\nname = "here"\nvia = "smtp://127.0.0.1:{destination_port}"',
            "POSTROOM_DIAL_ALLOW": "127.0.0.0/8",
            "POSTROOM_VERIFIED_SENDERS": "any",
            "POSTROOM_BOOTSTRAP_KEY": KEY,
            "POSTROOM_RETRY_SCHEDULE": "200ms",
            "POSTROOM_HELO": "client.example.org",
            "POSTROOM_CACHE": "200ms",
            **self.place.settings,
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(), "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}", **self.settings}

    def start(self, output: int | None = None) -> None:
        self.process = subprocess.Popen(
            self.place.command, env=self.environment, stdout=output, start_new_session=True, cwd=ROOT
        )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        def answers() -> bool:
            assert self.process is None or self.process.poll() is None, "the house has ended"
            try:
                return self.request("GET", "/healthz")[0] == 200
            except OSError:
                return False

        eventually(answers, 30)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(45)

    def run(self, *arguments: str, text: str | None = None) -> str:
        """The output of one command of the command line."""
        done = self.try_to_run(*arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_to_run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    # The API.

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, key: str = KEY
    ) -> tuple[int, Any]:
        connection = HTTPConnection(self.host, self.port, timeout=30)
        try:
            sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})}
            octets = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, octets, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def send(self, to: str | list[str], **members: Any) -> str:
        """Submit a letter and return its id."""
        letter = {"from": "Alice <alice@example.org>", "to": to, "subject": "hello", "text": "hello\n", **members}
        status, answer = self.request("POST", "/emails", letter)
        assert status == 200, answer
        id_: str = answer["id"]
        return id_

    def email(self, id_: str) -> dict[str, Any]:
        email: dict[str, Any] = self.request("GET", f"/emails/{id_}")[1]
        return email

    def attempts(self, id_: str) -> list[dict[str, Any]]:
        """Oldest first."""
        attempts: list[dict[str, Any]] = self.request("GET", f"/emails/{id_}/attempts?limit=100")[1]["data"]
        return attempts[::-1]

    def statuses(self, id_: str) -> dict[str, str]:
        return {each["address"]: each["status"] for each in self.email(id_)["recipients"]}

    def wait_for(self, id_: str, *statuses: str, seconds: float = 15) -> dict[str, Any]:
        """The letter, once its recipients are in these states, in their order."""
        eventually(lambda: tuple(self.statuses(id_).values()) == statuses, seconds, lambda: self.email(id_))
        return self.email(id_)


def eventually(
    happened: Callable[[], bool], seconds: float = 15, what: Callable[[], object] = lambda: "it never happened"
) -> None:
    """Return as soon as `happened` is true; fail with `what` when it isn't within `seconds`."""
    end, pause = time.monotonic() + seconds, 0.02
    while not happened():
        assert time.monotonic() < end, what()
        time.sleep(pause)
        pause = min(0.2, pause * 1.3)  # to ask costs the house time that it needs for what is waited for
