"""Google's own Firestore emulator, which comes with its Cloud SDK.

python -m tests.homes.firestore PARENT COMMAND...

runs the command in its own place, and ends when the process PARENT does, however that ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch
from urllib.request import urlopen

from postroom.house.child import end_with_parent
from postroom.house.supervisor import free_port
from tests.homes.child import ROOT, child_environment

MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
# It lives for minutes on a busy machine: neither the best code nor many threads pay.
JVM = ("-Duser.language=en", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def missing() -> str | None:
    """Why the emulator can't run here, or None. JAVA in the environment names another Java than the PATH's."""
    if _java() is None:
        return "the Firestore emulator needs Java"
    if shutil.which("gcloud") is None:
        return "the Firestore emulator comes with Google's Cloud SDK, and there is no gcloud"
    if not _jar().is_file():
        return "Google's Cloud SDK is without its cloud-firestore-emulator"
    return None


@contextmanager
def firestore() -> Iterator[str]:
    """Have Firestore's SDK speak to this process's emulator, whose HOST:PORT it is.

    It is started when it is first needed, and keeps what was written: tests are apart by their projects.
    """
    host = _shared().host
    with patch.dict(os.environ, {"FIRESTORE_EMULATOR_HOST": host}):
        yield host


class Emulator:
    """A running emulator."""

    def __init__(self) -> None:
        """Start it, and wait until it answers."""
        for _ in range(3):  # somebody may take the port before it does
            self.host = f"127.0.0.1:{free_port('127.0.0.1')}"
            self.process = _start(self.host)
            if self._answers():
                return
            self.stop()
        raise RuntimeError("the Firestore emulator doesn't start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        deadline = time.monotonic() + 30.0
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with urlopen(f"http://{self.host}/", timeout=5.0) as answer:
                    return bool(answer.status == 200)
            except OSError:
                time.sleep(0.05)
        return False


@cache
def _shared() -> Emulator:
    emulator = Emulator()
    atexit.register(emulator.stop)
    return emulator


def _start(host: str) -> subprocess.Popen[bytes]:
    address, _, port = host.rpartition(":")
    java = [str(_java()), *JVM, "-cp", str(_jar()), MAIN, f"--host={address}", f"--port={port}"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.homes.firestore", str(os.getpid()), *java],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=child_environment(),
    )


@cache
def _java() -> str | None:
    return shutil.which(os.environ.get("JAVA", "java"))


@cache
def _jar() -> Path:
    asked = ["gcloud", "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return Path(root, "platform", "cloud-firestore-emulator", "cloud-firestore-emulator.jar")


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # our own command
