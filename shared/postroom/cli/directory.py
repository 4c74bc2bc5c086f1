"""All documents of a kind, for the commands that list them."""

from __future__ import annotations

from typing import Any

from postroom.cli.flags import Variables
from postroom.settings import Settings


def documents(variables: Variables, kind: str) -> list[tuple[str, Any]]:
    """Keys and documents, in the order of the keys."""
    from postroom import wiring

    directory = wiring.home(wiring.prepare(Settings.from_environment(variables))).directory
    found: list[tuple[str, Any]] = []
    while page := directory.list(kind, found[-1][0] if found else ""):
        found += page
    return found
