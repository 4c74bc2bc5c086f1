"""`postroom preflight`: whether letters can leave this machine, and what a recipient's domain publishes."""

from __future__ import annotations

import json
import sys

import click

from postroom.cli.directory import opened
from postroom.cli.flags import Variables, with_settings


@click.command()
@with_settings()
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="print the checks as the API answers them")
def preflight(variables: Variables, *, domain: str | None, as_json: bool) -> None:
    """Look whether letters can leave from here, whom others take us for, and what DOMAIN, a recipient's, publishes.

    The exit status is 1 where a check failed. In a cloud, ask the API as well: `GET /preflight` looks from there.
    """
    from postroom import wiring
    from postroom.message.address import InvalidAddress, Mailbox
    from postroom.preflight.check import Status

    if domain is not None:
        try:
            domain = Mailbox.parse(domain if "@" in domain else f"postmaster@{domain}").domain
        except InvalidAddress as error:
            raise click.ClickException(f"{domain!r} is not a domain that mail can go to: {error}") from error
    settings, _ = opened(variables)
    checks = wiring.preflighting(settings)(domain)
    if as_json:
        from postroom.api.preflight import shown

        click.echo(json.dumps([shown(each) for each in checks], indent=2, ensure_ascii=False))
    else:
        _table([(each.check, str(each.status), each.detail) for each in checks])
    sys.exit(1 if any(each.status is Status.FAIL for each in checks) else 0)


def _table(checks: list[tuple[str, str, str]]) -> None:
    """In colour where the package rich is installed and this is a terminal; else as plain lines."""
    try:
        from postroom.terminal import Terminal
    except ModuleNotFoundError:
        for check, status, detail in checks:
            click.echo(f"{status:<4}  {check:<12} {detail}")
    else:
        Terminal().checks(checks)
