"""`postroom domains`: the domains that may stand in From, and the keys that sign for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from postroom.cli.directory import opened
from postroom.cli.flags import Variables, with_settings

if TYPE_CHECKING:
    from postroom.account.domain import SendingDomain
    from postroom.domains import SendingDomains


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
    with kept(variables) as sending:
        domain = sending.vouch(name, selector, key_file.read_bytes() if key_file else None)
    click.echo(f"Letters from {domain.name} are taken and signed. Publish this TXT record, or the signature is void")
    click.echo("(a zone file wants it in quoted strings of 255 octets at most; a provider's form takes it whole):\n")
    _show(domain)


@domains.command("show")
@with_settings("data")
@click.argument("name")
def domains_show(variables: Variables, *, name: str) -> None:
    """Print the keys to publish for a sending domain."""
    with kept(variables) as sending:
        _show(sending.named(name))


@domains.command("verify")
@with_settings("data")
@click.argument("name")
def domains_verify(variables: Variables, *, name: str) -> None:
    """Look at what a sending domain publishes. Its exit status is 1 where no letter is taken from it."""
    with kept(variables) as sending:
        domain = sending.verify(sending.named(name).id)
        records = sending.records(domain)
    for record in records:
        seen = domain.seen(record)
        click.echo(f"{seen.status:<18} {record.purpose:<5} {record.type:<4} {record.name}{_behind(seen.detail)}")
        if str(seen.status) != "verified":
            priority = "" if record.priority is None else f"{record.priority} "
            click.echo(f"{'':<18} publish {priority}{record.value}{_behind(record.note)}")
    taken = "taken" if domain.verified else "refused until one of its keys is published"
    click.echo(f"{domain.name} is {domain.status}: letters from it are {taken}")
    if not domain.verified:
        raise click.exceptions.Exit(1)


@domains.command("rotate")
@with_settings("data")
@click.argument("name")
@click.option("--ed25519/--no-ed25519", default=None, help="whether a second signature is made; else as it is now")
def domains_rotate(variables: Variables, *, name: str, ed25519: bool | None) -> None:
    """Make new keys for a sending domain. They take the place of the old ones once `verify` has seen them."""
    with kept(variables) as sending:
        domain = sending.rotate(sending.named(name).id, ed25519=ed25519)
    click.echo(
        f"Publish what is new of this, then run `postroom domains verify {domain.name}`. Until then the old keys"
    )
    click.echo("sign; leave them published until the letters that are under way have arrived:\n")
    _show(domain)


@domains.command("remove")
@with_settings("data")
@click.argument("name")
def domains_remove(variables: Variables, *, name: str) -> None:
    """Take no more letters from a domain. Those that were taken go on, signed."""
    with kept(variables) as sending:
        sending.register.remove(sending.named(name).id)
    click.echo(f"no more letters from {name} are taken")


@domains.command("list")
@with_settings("data")
def domains_list(variables: Variables) -> None:
    """List the sending domains with their selectors."""
    from postroom.domain_register import all_domains

    for domain in all_domains(opened(variables)[1]):
        selectors = ", ".join(key.selector for key in domain.current)
        click.echo(f"{domain.name}  {'verified' if domain.verified else 'not verified'}  {selectors}")


@contextmanager
def kept(variables: Variables) -> Iterator[SendingDomains]:
    """What may be done with them, and what it refuses as words for people."""
    from postroom import wiring
    from postroom.domain_register import UnknownDomain
    from postroom.domains import NoSeal

    settings, directory = opened(variables)
    try:
        yield wiring.sending_domains(settings, directory)
    except UnknownDomain as error:
        raise click.ClickException(
            f"{error} is not a sending domain here; `postroom domains list` names them"
        ) from error
    except (ValueError, NoSeal) as error:
        raise click.ClickException(str(error)) from error


def _show(domain: SendingDomain) -> None:
    for key in domain.current:
        click.echo(f"{key.published(domain.name).name}  {key.record}")


def _behind(text: str | None) -> str:
    return f" ({text})" if text else ""
