from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.destination import Destination
from tests.journeys.office import Office


@pytest.fixture(scope="package")
def destination() -> Iterator[Destination]:
    """A server that takes every letter unless a test tells it otherwise."""
    server = Destination()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def office(destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One house for all stories that don't need settings of their own."""
    house = Office(tmp_path_factory.mktemp("office"), destination.port)
    house.start()
    yield house
    assert house.stop() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
