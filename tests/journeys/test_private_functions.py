"""The workers and the sweep are listened to by the queue and the timer alone."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.journeys.office import ROOT, Office
from tests.journeys.processes import processes_of, words_of

PRIVATE = ("deliver", "notify", "sweep")
FORGED = "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.e30.AAAA"


def addresses(office: Office) -> dict[str, str]:
    """Where the private functions answer over HTTP; on AWS nowhere."""
    if office.place.home == "gcp":
        return {name: office.settings[f"POSTROOM_{name.upper()}_URL"] for name in PRIVATE}
    found = {}
    for pid, part in processes_of(office.folder).items():
        words = words_of(pid, "cmdline")
        if "function" in words and part in PRIVATE:
            host, port = words[words.index(part) + 1 :][:2]
            found[part] = f"http://{host}:{port}/"
    return found


@pytest.mark.parametrize("shown", [None, FORGED, "Basic Zm9vOmJhcg==", "Bearer "])
@pytest.mark.parametrize("name", PRIVATE)
def test_nobody_else_is_listened_to(office: Office, name: str, shown: str | None) -> None:
    if office.place.home == "aws":
        refused = called_over_http(office, name)
        assert "RuntimeError: POSTROOM_CLOUD is aws" in refused
        return
    parts = urlsplit(addresses(office)[name])
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    connection.request("POST", "/", b"{}", {"Authorization": shown} if shown else {})
    answer = connection.getresponse()
    assert answer.status == 401
    assert b"only the queue and the timer are listened to" in answer.read()
    connection.close()


def called_over_http(office: Office, name: str) -> str:
    """What comes of serving the function as an HTTP function where it has no such face."""
    source = Path(ROOT, "functions", name, "main.py")
    program = f"import runpy; runpy.run_path({str(source)!r})[{name!r}](None)"
    return subprocess.run(
        [sys.executable, "-c", program], env=office.environment, capture_output=True, text=True, check=False
    ).stderr
