"""With POSTROOM_TESTS=all, as in CI, a test that can't run here is a failure."""

import os
import re
from collections import Counter
from collections.abc import Generator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ALL = os.environ.get("POSTROOM_TESTS") == "all"

CLOUDS = ("gcp", "aws")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"POSTROOM_TESTS=all, and this was not run: {reason}"
    return report


class ByHome(LoadScopeScheduling):  # type: ignore[misc]  # xdist comes without types
    """What shares a cloud's emulator, and a house in it, runs in one process, and so do the tests of one file."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        cloud = next((cloud for cloud in CLOUDS if re.search(rf"\b{cloud}\b", test)), "")
        alone = not cloud or file.endswith("crash_points.py")
        return f"{file} {cloud}" if alone else f"{file.split('/')[1]} {cloud}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByHome:
    return ByHome(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that all end together."""
    items.sort(key=lambda item: "journeys/" not in item.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests each folder ran."""
    ran = Counter(
        "/".join(report.nodeid.partition("::")[0].split("/")[:-1])
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if report.when == "call"
    )
    terminalreporter.write_line(", ".join(f"{folder} {count}" for folder, count in sorted(ran.items())))
