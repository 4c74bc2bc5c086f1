from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.usecases.office import UseCases


@pytest.fixture
def office(tmp_path: Path) -> Iterator[UseCases]:
    made = UseCases(tmp_path)
    yield made
    made.close()
