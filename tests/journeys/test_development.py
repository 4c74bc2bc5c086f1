"""`postroom dev`, as a newcomer meets it: one command, one curl line, and the whole conversation."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.client import Client
from postroom.house.supervisor import free_port
from tests.journeys.deployments import COMMAND
from tests.journeys.office import clean_environment, eventually


class Dev:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"
        folder.mkdir()
        self.start()

    def start(self) -> None:
        folder = self.folder
        command = [*COMMAND, "dev", "--data", str(folder / "data"), "--listen", f"127.0.0.1:{free_port('127.0.0.1')}"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=clean_environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        eventually(lambda: "Ctrl-C stops everything" in self.text, 30, lambda: self.text)

    @property
    def text(self) -> str:
        return self.output.read_text()

    def caught(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted((self.folder / "data" / "inbox").glob("*.eml"))]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    running = Dev(tmp_path / "dev")
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_line_sends_a_letter_and_the_conversation_is_printed(dev: Dev) -> None:
    (line,) = re.findall(r"^curl .*$", dev.text, re.MULTILINE)
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)  # noqa: S602  as printed
    id_ = re.search(r'"id":\s*"([0-9a-f-]{36})"', done.stdout)
    assert id_, done.stdout
    eventually(lambda: "C QUIT" in dev.text, 15, lambda: dev.text)
    for said in (id_[1], "accepted", "S 220 ", "C EHLO ", "C STARTTLS", "TLSv1.3", "C MAIL FROM:<you@example.com>"):
        assert said in dev.text
    assert b"It works." in dev.caught()[0]
    acted = line.replace("friend@example.net", "bounced@postroom.test")
    subprocess.run(acted, shell=True, capture_output=True, check=True)  # noqa: S602  as printed
    eventually(lambda: "S 550 5.1.1 Acted out" in dev.text, 15, lambda: dev.text)
    assert len(dev.caught()) == 1


def test_tls_can_be_verified_and_the_key_stays_the_same(dev: Dev) -> None:
    (line,) = re.findall(r"^POSTROOM_PUBLIC_URL.* send .*$", dev.text, re.MULTILINE)
    url, key = re.findall(r"POSTROOM_PUBLIC_URL=(\S+) POSTROOM_API_KEY=(\S+)", line)[0]
    client = Client(url, key)
    letter = {
        "from": "a@example.org",
        "to": "b@example.net",
        "subject": "x",
        "text": "x",
        "delivery": {"tls": "verify"},
    }
    id_ = client.call("POST", "/emails", letter)["id"]
    eventually(lambda: client.call("GET", f"/emails/{id_}")["last_event"] == "delivered", 15, lambda: dev.text)
    eventually(lambda: "(verified)" in dev.text, 5, lambda: dev.text)
    dev.process.send_signal(signal.SIGINT)
    dev.process.wait(20)
    dev.start()
    assert key in dev.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(dev: Dev, number: signal.Signals) -> None:
    began = time.monotonic()
    dev.process.send_signal(number)
    assert dev.process.wait(20) == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in dev.text
    left = [entry for entry in Path("/proc").glob("[0-9]*") if _is_of(entry, dev.folder)]
    assert left == []


def _is_of(entry: Path, folder: Path) -> bool:
    try:
        return os.fsencode(folder / "data") in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
    except OSError:
        return False
