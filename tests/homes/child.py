"""The environment of a process that runs a module of the tests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def child_environment() -> Mapping[str, str]:
    """This process's, and where the package and the tests are."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}"}
