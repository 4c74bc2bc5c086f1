"""Every contract is run against every home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.ports import Directory, Submissions
from tests.contracts.homes import HOMES, Home


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    with HOMES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def submissions(home: Home) -> Submissions:
    return home.submissions


@pytest.fixture
def directory(home: Home) -> Directory:
    return home.directory
