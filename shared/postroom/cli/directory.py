"""The directory of a deployment, for the commands that change or list what an account owns."""

from __future__ import annotations

from postroom.cli.flags import Variables
from postroom.ports import Directory
from postroom.settings import Settings


def opened(variables: Variables) -> tuple[Settings, Directory]:
    """The settings with their secrets, and the directory of the home that they name."""
    from postroom import wiring

    settings = wiring.prepare(Settings.from_environment(variables))
    return settings, wiring.home(settings).directory
