from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postroom.bulk import following, patience
from postroom.cli import main
from tests.bulk.api import Api, served


@dataclass(frozen=True)
class Desk:
    """Where somebody types `postroom send --csv`."""

    api: Api
    folder: Path

    def file(self, content: str | bytes, name: str = "customers.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def tried(self, content: str | bytes, *options: str) -> Result:
        """`postroom send` for a file of that content."""
        return self.typed("send", "--csv", str(self.file(content)), "--template", "welcome", "--yes", *options)

    @property
    def settings(self) -> dict[str, str]:
        return {"POSTROOM_PUBLIC_URL": f"http://127.0.0.1:{self.api.port}", "POSTROOM_API_KEY": "pr_of_the_desk_here"}

    def typed(self, *arguments: str) -> Result:
        return CliRunner(env=self.settings).invoke(main, list(arguments))

    def run(self, content: str | bytes, *options: str) -> str:
        """What it printed, all went well."""
        done = self.tried(content, *options)
        assert done.exit_code == 0, done.output
        return done.stdout

    def refused(self, content: str | bytes, *options: str) -> str:
        """What it said, having asked for no letter."""
        done = self.tried(content, *options)
        assert done.exit_code in (1, 2), done.output
        assert not self.api.letters
        return done.stderr


@pytest.fixture(scope="module")
def one_api() -> Iterator[Api]:
    with served(Api()) as api:
        yield api


@pytest.fixture
def api(one_api: Api) -> Api:
    """With a template `welcome` that wants a `first_name`."""
    port = one_api.port
    one_api.__init__()  # type: ignore[misc]  # as new, behind the same port
    one_api.port = port
    one_api.template("welcome", first_name=str)
    return one_api


@pytest.fixture
def desk(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(patience, "FIRST", 0.01)
    monkeypatch.setattr(following, "_SHORTEST", 0.01)
    return Desk(api, tmp_path)
