"""The arrows of the house hold, and the functions decide nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]


def test_every_arrow_points_the_right_way() -> None:
    # In a process of its own: it sets up logging for itself alone.
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_graph_that_the_arrows_are_read_from_sees_the_standard_library() -> None:
    graph = grimp.build_graph("postroom", include_external_packages=True, cache_dir=None)
    assert graph.find_modules_directly_imported_by("postroom.internet.loop") >= {"asyncio", "os", "threading"}
    assert not graph.find_modules_directly_imported_by("postroom.smtp.dialogue") & {"asyncio", "os", "socket"}


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/main.py")), ids=lambda path: path.parent.name)
def test_a_function_fits_on_a_screen_and_decides_nothing(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= 40
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.Match)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, branches)]


def test_only_the_settings_read_the_environment() -> None:
    # The command line and the house hand the whole environment on to processes that they start.
    allowed = {"settings.py", "setting.py", "cli/flags.py", "cli/config.py", "cli/running.py", "house/supervisor.py"}
    package = ROOT / "shared" / "postroom"
    readers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    assert readers <= allowed
