"""`postroom config`: the settings in effect, and what is wrong with them."""

from __future__ import annotations

import os
import re

import click

from postroom import settings as settings_
from postroom.cli.flags import Variables, with_settings
from postroom.settings import Settings


@click.command()
@with_settings()
@click.option("--markdown", is_flag=True, help="print the table of the README")
def config(variables: Variables, *, markdown: bool) -> None:
    """Print the settings in effect, and check them."""
    if markdown:
        click.echo(settings_table(), nl=False)
        return
    settings = Settings.from_environment(variables)
    warn(settings)
    for setting in settings_.every_setting():
        value = variables.get(setting.variable)
        shown = "(set)" if value and setting.secret else value
        if setting.variable == "POSTROOM_ROUTES" and value:
            shown = re.sub(r"://[^/@\s\"]*@", "://(credentials)@", value)
        if setting.variable == "POSTROOM_HELO" and not value:
            shown = f"{settings.helo}  # the host's own name"
        click.echo(f"{setting.variable}={shown}" if shown else f"{setting.variable}  # default: {setting.default}")


def settings_table() -> str:
    """All settings as the README shows them."""
    rows = "".join(f"| {each.variable} | {each.default} | {each.meaning} |\n" for each in settings_.every_setting())
    return f"| variable | default | meaning |\n|---|---|---|\n{rows}"


def warn(settings: Settings | None = None) -> None:
    """Say what can't be meant, and go on all the same."""
    for name in settings_.unknown(os.environ):
        click.echo(f"postroom: {name} is set, and there is no such setting", err=True)
    if settings is not None and "." not in settings.helo and not settings.helo.startswith("["):
        click.echo(
            f"postroom: POSTROOM_HELO is {settings.helo!r}, which is no full host name; many servers refuse that",
            err=True,
        )
