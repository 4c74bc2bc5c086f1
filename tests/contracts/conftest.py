"""Every contract is run against every home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from postroom.claims import Claims
from postroom.clouds.local.database import Database
from postroom.clouds.local.holders import LocalHolders
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.ports import Directory, Submissions
from tests.contracts.aws import aws
from tests.contracts.gcp import gcp
from tests.contracts.homes import Home, local

HOMES: Mapping[str, Callable[[Path], AbstractContextManager[Home]]] = {"local": local, "gcp": gcp, "aws": aws}


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    with HOMES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def submissions(home: Home) -> Submissions:
    return home.submissions


@pytest.fixture
def claims(home: Home) -> Claims:
    return home.claims


@pytest.fixture
def directory(home: Home) -> Directory:
    return home.directory


# What the tests of the local home alone look into.


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    database.prepare()
    yield database
    database.close()


@pytest.fixture
def local_submissions(database: Database) -> LocalSubmissions:
    return LocalSubmissions(database)


@pytest.fixture
def local_claims(local_submissions: LocalSubmissions, tmp_path: Path) -> Iterator[Claims]:
    holders = LocalHolders(tmp_path / "locks")
    yield Claims(submissions=local_submissions, holders=holders)
    holders.close()
