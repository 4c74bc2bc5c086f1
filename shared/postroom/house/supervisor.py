"""The processes of one machine: the functions, each served by functions-framework, and the dispatcher.

A process that dies is started again; when the supervisor goes, all go. It holds no state: everything that
must survive is in the data folder.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EADDRINUSE
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from postroom.setting import in_url
from postroom.settings import Settings, every_setting

GRACE = 35.0  # seconds that a process has to finish what it is doing; gunicorn ends its workers after 30
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a dead process is started again
STEADY = 10.0  # seconds after which a process counts as having started well


class StartError(RuntimeError):
    """The house can't be started; the text says what to do."""


def only_here(settings: Settings) -> None:
    """Raises `StartError` where the settings are of a cloud, which runs the functions itself."""
    if settings.cloud != "local":
        raise StartError(
            f"POSTROOM_CLOUD is {settings.cloud}: `dev` and `serve` run everything on one machine, from one SQLite "
            "file. Leave it unset here."
        )


def functions_folder() -> Path:
    """Where functions/ is: in a checkout beside shared/, in an installed package inside it."""
    package = Path(__file__).parents[1]
    for folder in (package.parents[1] / "functions", package / "functions"):
        if (folder / "submit" / "main.py").exists():
            return folder
    raise StartError("The folder functions/ is missing: reinstall postroom, or run it from its checkout.")


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)


def free_port(host: str) -> int:
    with _socket(host) as sock:
        sock.bind((host, 0))
        number: int = sock.getsockname()[1]
        return number


def wait_until_free(host: str, port: int, patience: float = 5.0) -> None:
    """Return when nobody listens there any more: what a killed house leaves behind needs a moment to go."""
    end, told = time.monotonic() + patience, False
    while True:
        with _socket(host) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((host, port))
                return
            except OSError as error:
                if error.errno != EADDRINUSE or time.monotonic() > end:
                    raise StartError(
                        f"Can't listen on {host}:{port}: {error.strerror}. Choose another address with --listen."
                    ) from error
        if not told:
            sys.stderr.write(f"postroom: {in_url(host)}:{port} is in use; waiting {patience:.0f} s for it\n")
            told = True
        time.sleep(0.2)


def listening_at(listen: tuple[str, int]) -> tuple[str, int]:
    """The address to listen at, once it is free; for port 0 a free port is found. Raises `StartError`."""
    host, port = listen
    if port:
        wait_until_free(host, port)
    return host, port or free_port(host)


@dataclass(slots=True)
class Child:
    """One process that is kept running."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    after: tuple[str, int] | None = None  # an address at which somebody must listen first
    module: str = "postroom.house.child"  # that is run, with our process id as its first argument
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0

    def start(self) -> None:
        command = [sys.executable, "-m", self.module, str(os.getpid()), *self.arguments]
        self.process = subprocess.Popen(  # noqa: S603  our own module, arguments of our own making
            command, env=dict(self.environment), stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.started = time.monotonic()

    def revive(self) -> None:
        """Start it again if it has ended, after a pause that grows while it keeps ending soon."""
        now = time.monotonic()
        if self.process is not None:
            if self.process.poll() is None:
                return
            code = self.process.returncode
            sys.stderr.write(f"postroom: {self.name} ended ({code}); starting it again\n")
            self.pause = FIRST_PAUSE if now - self.started > STEADY else min(self.pause * 2, LONGEST_PAUSE)
            self.process, self.due = None, now + self.pause
        if now >= self.due and (self.after is None or _listens(*self.after)):
            self.start()


class Supervisor:
    """Starts the children, keeps them running until `stop`, then ends them."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = tuple(children)
        self.stopping = False

    def start(self) -> None:
        for child in self.children:
            child.revive()

    def stop(self) -> None:
        """Safe in a signal handler, which may come while another of its kind runs: it takes no lock."""
        self.stopping = True

    def tend(self, seconds: float = 0.1) -> None:
        """One round: start again what has ended, then wait a little."""
        for child in self.children:
            child.revive()
        time.sleep(seconds)

    def end(self) -> None:
        """Ask every process to finish, and kill what hasn't after `GRACE`."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its workers too
                process.wait()

    def wait_until_ready(self, host: str, port: int, patience: float = 30.0) -> None:
        """Return when the API answers its health check. Raises `StartError`."""
        end = time.monotonic() + patience
        while not self.stopping:
            if _healthy(host, port):
                return
            if time.monotonic() > end:
                raise StartError("The functions didn't become ready; their own messages above say why.")
            self.tend(0.05)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _healthy(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def house(host: str, port: int, variables: Mapping[str, str], *, workers: int, threads: int) -> list[Child]:
    """The children of one house. The private functions listen on free ports of the loopback.

    The private seal is the worker's alone, and the keys of the API are the API's, but for the master keys, by which
    webhooks' secrets are opened: a hole in one is no hole in all.
    """
    functions = functions_folder()
    environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
    names = [setting.variable for setting in every_setting() if setting.secret]
    secrets = {name: environment.pop(name) for name in names if name in environment}

    def told(*names: str, **more: str) -> dict[str, str]:
        """An environment with those secrets alone that a process needs."""
        return {**environment, **more, **{name: secrets[name] for name in names if name in secrets}}

    size = {"WORKERS": str(workers), "THREADS": str(threads)}
    worker_host = "127.0.0.1"  # wherever the API listens, the worker is nobody else's
    deliver_port, notify_port, sweep_port = (free_port(worker_host) for _ in range(3))
    urls = [f"http://{worker_host}:{each}/" for each in (deliver_port, notify_port, sweep_port)]
    at_once = str(workers * threads)  # more would wait in the function's backlog while their time runs
    return [
        Child(
            "submit",
            ("function", str(functions / "submit" / "main.py"), "submit", in_url(host), str(port)),
            told("POSTROOM_BOOTSTRAP_KEY", "POSTROOM_MASTER_KEYS", **size),
        ),
        Child(
            "deliver",
            ("function", str(functions / "deliver" / "main.py"), "deliver", worker_host, str(deliver_port)),
            told("POSTROOM_SEAL_PRIVATE", "POSTROOM_TASK_SECRET", **size),
        ),
        Child(
            "notify",
            ("function", str(functions / "notify" / "main.py"), "notify", worker_host, str(notify_port)),
            # What it waits for is other people's servers: one process has threads enough for that.
            told("POSTROOM_MASTER_KEYS", "POSTROOM_TASK_SECRET", WORKERS="1", THREADS=str(threads)),
        ),
        Child(
            "sweep",
            ("function", str(functions / "sweep" / "main.py"), "sweep", worker_host, str(sweep_port)),
            told("POSTROOM_TASK_SECRET", WORKERS="1", THREADS="2"),
        ),
        Child(
            "dispatcher",
            ("dispatcher", *urls[:2], at_once, urls[2]),
            told("POSTROOM_TASK_SECRET"),
            after=(worker_host, deliver_port),
        ),
    ]
