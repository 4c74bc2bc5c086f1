"""`postroom domains`: the domains that may stand in From, and the keys that sign for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from postroom.cli.directory import documents, opened
from postroom.cli.flags import Variables, with_settings


@click.group()
def domains() -> None:
    """Sending domains of this deployment, and the keys that sign for them."""


@domains.command("add")
@with_settings("data")
@click.argument("name")
@click.option("--selector", default="postroom", help="the DKIM selector")
@click.option("--key", "key_file", type=click.Path(exists=True, path_type=Path), help="a private key to sign with, PEM")
def domains_add(variables: Variables, *, name: str, selector: str, key_file: Path | None) -> None:
    """Let letters come from a domain and sign them. Who runs this vouches for the domain being theirs."""
    from postroom.clouds.clock import now
    from postroom.domains import add_domain

    settings, directory = opened(variables)
    try:
        domain = add_domain(
            directory,
            settings.seal_public or "",
            name,
            selector,
            key_file.read_bytes() if key_file else None,
            id_=uuid4(),
            now=now(),
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Letters from {domain.name} are taken and signed. Publish this TXT record, or the signature is void")
    click.echo("(a zone file wants it in quoted strings of 255 octets at most; a provider's form takes it whole):\n")
    _records(domain.record())


@domains.command("show")
@with_settings("data")
@click.argument("name")
def domains_show(variables: Variables, *, name: str) -> None:
    """Print the records to publish for a sending domain."""
    for known, document in documents(variables, "domain"):
        if known == name.lower():
            _records(document)
            return
    raise click.ClickException(f"{name} is not a sending domain here; `postroom domains list` names them")


def _records(domain: Any) -> None:
    for key in domain["keys"]:
        click.echo(f"{key['selector']}._domainkey.{domain['name']}  {key['record']}")


@domains.command("list")
@with_settings("data")
def domains_list(variables: Variables) -> None:
    """List the sending domains with their selectors."""
    for name, document in documents(variables, "domain"):
        selectors = ", ".join(key["selector"] for key in document["keys"])
        click.echo(f"{name}  {'verified' if document['verified'] else 'not verified'}  {selectors}")
