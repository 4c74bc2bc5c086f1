"""One function in processes of its own, served by functions-framework with nobody else at work."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from postroom import wiring
from postroom.clouds.local.bell import Bell
from postroom.house.supervisor import Child, Supervisor
from postroom.settings import Settings
from tests.benchmarks.processes import cpu_seconds
from tests.journeys.office import ROOT, Office, eventually
from tests.journeys.processes import processes_of

BARE = ROOT / "tests" / "benchmarks" / "bare.py"
SUBMIT = ROOT / "functions" / "submit" / "main.py"


class Function:
    """A function that answers at `port`, and its data folder."""

    def __init__(self, office: Office) -> None:
        self.folder, self.port = office.folder, office.port

    def cpu(self) -> float:
        """Seconds that its processes have used."""
        return sum(map(cpu_seconds, processes_of(self.folder)))


@contextmanager
def served(source: Path, mode: Mapping[str, str] | None = None) -> Iterator[Function]:
    """The function that `source` is named for, its folder's name or its own, under functions-framework's variables."""
    target = source.stem if source.stem != "main" else source.parent.name
    with TemporaryDirectory() as folder:
        office = Office(Path(folder), destination_port=9, POSTROOM_CACHE="30s")
        secrets = wiring.prepare(Settings.from_environment(office.settings)).secrets()
        arguments = ("function", str(source), target, office.host, str(office.port))
        dispatcher = Bell(office.folder).listen()  # it is rung, as it is while one runs
        supervisor = Supervisor([Child(target, arguments, {**office.environment, **secrets, **(mode or {})})])
        supervisor.start()
        try:
            eventually(lambda: _listens(office.port), 30)
            yield Function(office)
        finally:
            supervisor.end()
            dispatcher.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
