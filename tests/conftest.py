"""With POSTROOM_TESTS=all, as in CI, a test that can't run here is a failure."""

import os
from collections.abc import Generator

import pytest

ALL = os.environ.get("POSTROOM_TESTS") == "all"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"POSTROOM_TESTS=all, and this was not run: {reason}"
    return report
