"""`postroom send --csv` for many customers, as a process that a test may kill."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.journeys.deployments import COMMAND
from tests.journeys.office import KEY, ROOT, Office, clean_environment

TEMPLATE: Mapping[str, Any] = {
    "name": "Welcome",
    "alias": "welcome",
    "from": "Shop <shop@example.org>",
    "subject": "Welcome, {{ first_name }}",
    "html": "<p>Hello {{ first_name }}, your number is <b>{{ number }}</b>, {{ greeting }}.</p>",
    "text": "Hello {{ first_name }}, your number is {{ number }}, {{ greeting }}.\n",
    "variables": [
        {"key": "first_name", "type": "string"},
        {"key": "number", "type": "number"},
        {"key": "greeting", "type": "string", "fallback_value": "welcome"},
    ],
}


@dataclass(frozen=True)
class Run:
    """`postroom send --csv` for so many customers."""

    office: Office
    file: Path
    letters: int

    @property
    def recipients(self) -> list[str]:
        return [f"r{number}@bulk.example.net" for number in range(self.letters)]

    def prepare(self) -> None:
        """Publish the template, and write the file."""
        publish(self.office, TEMPLATE)
        with self.file.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["email", "first_name", "number", "greeting"])
            rows.writerows([each, f"N{number}", number, ""] for number, each in enumerate(self.recipients))

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        """The command under way, killed in the end if it still is."""
        command = [*COMMAND, "send", "--csv", str(self.file), "--template", "welcome", "--yes", "--json"]
        # It knows the house by its address and key alone, and is none of its processes.
        told = {
            "PYTHONPATH": self.office.environment["PYTHONPATH"],
            "POSTROOM_PUBLIC_URL": f"http://{self.office.host}:{self.office.port}",
            "POSTROOM_API_KEY": KEY,
        }
        with subprocess.Popen(
            command,
            env={**clean_environment(), **told},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def accepted_last(self) -> bool:
        """Whether the last customer's letter is in the house."""
        return bool(self.office.request("GET", f"/emails?to={self.recipients[-1]}")[1]["data"])


def publish(office: Office, template: Mapping[str, Any]) -> None:
    for path, body in (("", template), (f"/{template['alias']}/publish", None)):
        status, answer = office.request("POST", f"/templates{path}", body)
        assert status in (200, 201), answer
