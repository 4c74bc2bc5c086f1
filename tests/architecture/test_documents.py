"""What the README says is what the code does."""

import re
import subprocess
from pathlib import Path

from postroom.cli.config import settings_table
from postroom.delivery.bounces import rules
from postroom.settings import Settings, every_setting
from tests.doubles import outcomes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_describes_every_setting_as_it_is() -> None:
    assert settings_table() in README


def test_the_defaults_that_are_described_are_the_defaults() -> None:
    bare = Settings.from_environment({})
    for setting in every_setting():
        first = setting.default.split(";")[0]
        if first[:1].isdigit() or first in ("local", "required", "retry"):
            described = Settings.from_environment({setting.variable: first})
            assert described == bare, setting.variable


def test_the_readme_promises_the_outcomes_that_are_tested() -> None:
    assert outcomes.table() in README


def test_the_readme_names_every_cause() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "shared" / "postroom").rglob("*.py")]
    without_rules = {cause for source in sources for cause in re.findall(r'\bcause="(\w+)"', source)}
    assert "reply_lost" in without_rules
    assert {cause for cause in rules().causes.keys() | without_rules if f"`{cause}`" not in README} == set()


def test_ci_runs_the_readmes_own_test_command() -> None:
    (command,) = re.findall(r"^python3 -m venv .*pytest$", README, re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_dependency_has_its_reason_in_the_readme() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text()
    _, _, after = pyproject.partition("dependencies = [")
    for name in re.findall(r'"([a-z0-9-]+)[>\[]', after.partition("\n]")[0]):
        assert f"| {name} " in README, f"{name} isn't in the README's table of dependencies"


def test_the_top_level_holds_what_belongs_there() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        top = {line.split("/")[0] for line in done.stdout.splitlines()}
        belongs = {"pyproject.toml", "README.md", "LICENSE", "functions", "shared", "infra", "tests"}
        assert {name for name in top if not name.startswith(".")} <= belongs


def test_the_readme_lists_every_rfc_that_the_code_cites() -> None:
    package = ROOT / "shared" / "postroom"
    sources = [path.read_text("utf-8") for path in package.rglob("*") if path.suffix in (".py", ".toml")]
    cited = {int(number) for source in sources for number in re.findall(r"RFC (\d{3,4})", source)}
    listed = re.search(r"Cited are RFC ([\d,\s]+)\.", README)
    assert listed
    assert {int(number) for number in re.findall(r"\d+", listed[0])} == cited
