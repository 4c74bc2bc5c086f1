"""The directory of a deployment, for the commands that change or list what an account owns."""

from __future__ import annotations

from typing import Any

from postroom.cli.flags import Variables
from postroom.ports import Directory
from postroom.settings import Settings


def opened(variables: Variables) -> tuple[Settings, Directory]:
    """The settings with their secrets, and the directory of the home that they name."""
    from postroom import wiring

    settings = wiring.prepare(Settings.from_environment(variables))
    return settings, wiring.home(settings).directory


def documents(variables: Variables, kind: str) -> list[tuple[str, Any]]:
    """Keys and documents, in the order of the keys."""
    _, directory = opened(variables)
    found: list[tuple[str, Any]] = []
    while page := directory.list(kind, found[-1][0] if found else ""):
        found += page
    return found
