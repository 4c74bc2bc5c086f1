"""With POSTROOM_TESTS=all, as in CI, a test that can't run here is a failure."""

import os
import re
from collections import Counter
from collections.abc import Generator

import pytest

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a cloud's emulator runs in one process, and so do the tests of one file."""
    for item in items:
        words = re.findall(r"[a-z]+", item.nodeid.lower())
        cloud = next((cloud for cloud in CLOUDS if cloud in words), None)
        item.add_marker(pytest.mark.xdist_group(cloud or item.nodeid.partition("::")[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests each folder ran."""
    ran = Counter(
        "/".join(report.nodeid.partition("::")[0].split("/")[:-1])
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if report.when == "call"
    )
    terminalreporter.write_line(", ".join(f"{folder} {count}" for folder, count in sorted(ran.items())))
