"""The arrows of the house hold, and the functions decide nothing."""

import ast
import subprocess
import sys
from base64 import b64encode
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


CLOUD = {
    "POSTROOM_MASTER_KEYS": b64encode(bytes(32)).decode(),
    **dict.fromkeys(("POSTROOM_BUCKET", "POSTROOM_TABLE"), "x"),
    **dict.fromkeys(("POSTROOM_SCHEDULER_ROLE", "POSTROOM_SCHEDULER_GROUP"), "x"),
    **dict.fromkeys(("POSTROOM_PROJECT", "POSTROOM_INVOKER"), "x"),
    **dict.fromkeys(("POSTROOM_DELIVER_URL", "POSTROOM_NOTIFY_URL", "POSTROOM_SWEEP_URL"), "https://x.example/"),
}
SDKS = {"apig_wsgi", "boto3", "botocore", "google.cloud.firestore", "google.cloud.tasks_v2", "google.cloud.storage"}


@pytest.mark.parametrize("home", ["local", "gcp", "aws"])
@pytest.mark.parametrize("function", ["submit", "deliver", "sweep"])
def test_a_function_is_light_to_start(home: str, function: str) -> None:
    source = ROOT / "functions" / function / "main.py"
    program = f"import runpy, sys; runpy.run_path({str(source)!r}); print(*sys.modules)"
    queues = {"gcp": "projects/p/locations/l/queues/postroom-", "aws": "https://sqs.example/1/postroom-"}.get(home, "")
    environment = {**CLOUD, "POSTROOM_CLOUD": home, "POSTROOM_QUEUES": queues, "PYTHONPATH": str(ROOT / "shared")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    allowed = {"apig_wsgi"} if (home, function) == ("aws", "submit") else set()
    assert not loaded & SDKS - allowed, "an SDK is loaded before anybody needs it"
    if home == "aws" and function != "submit":
        assert "flask" not in loaded, "there is no HTTP to be served"
