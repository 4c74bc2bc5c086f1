"""`postroom keys`: API keys of this deployment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from postroom.cli.directory import opened
from postroom.cli.domains import kept
from postroom.cli.flags import Variables, with_settings

if TYPE_CHECKING:
    from postroom.account.key import ApiKey
    from postroom.keys import Keys


@click.group()
def keys() -> None:
    """API keys of this deployment."""


@keys.command("create")
@with_settings("data")
@click.option("--name", default="postroom keys create", help="what the key is for")
@click.option("--permission", type=click.Choice(["full_access", "sending_access"]), help="full_access unless --domain")
@click.option("--domain", help="the only sending domain that letters may come from")
@click.option("--expires", help="until when it is good: a duration such as 90d, or a time in ISO 8601 with its offset")
@click.option("--allow", multiple=True, help="a network that it may be used from, in CIDR notation; may be repeated")
@click.option("--json", "as_json", is_flag=True)
def keys_create(
    variables: Variables,
    *,
    name: str,
    permission: str | None,
    domain: str | None,
    expires: str | None,
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make an API key. It is shown once, here; only its hash is kept."""
    from postroom.account.key import ApiKey, Permission, check_name, network
    from postroom.clouds.clock import now
    from postroom.keys import Keys

    if domain is not None and permission == "full_access":
        raise click.ClickException("a key with full access can't be held to one domain: leave --permission out")
    try:
        check_name(name)
        expires_at = None if expires is None else _moment(expires, now())
        networks = tuple(network(each) for each in allow)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    _, directory = opened(variables)
    asked = ApiKey(
        "",
        name,
        Permission(permission or ("sending_access" if domain else "full_access")),
        now(),
        domain_id=None if domain is None else _id_of(variables, domain),
        expires_at=expires_at,
        networks=networks,
    )
    key, token = Keys(directory).make(asked, os.urandom)
    shown = {"id": key.id, "name": name, "permission": str(key.permission), "token": token}
    click.echo(json.dumps(shown) if as_json else f"{token}\n(key {key.id}; it can't be shown again)")


@keys.command("list")
@with_settings("data")
def keys_list(variables: Variables) -> None:
    """List the API keys, oldest first, without their tokens."""
    from postroom.clouds.clock import now
    from postroom.domain_register import all_domains
    from postroom.keys import Keys

    _, directory = opened(variables)
    domains = {each.id: each.name for each in all_domains(directory)}
    for key in sorted(_every(Keys(directory)), key=lambda each: each.created_at):
        restrictions = [
            f"from {domains.get(key.domain_id, 'a domain that is gone')} only" if key.domain_id else "",
            f"used from {', '.join(map(str, key.networks))} only" if key.networks else "",
            f"{'expired' if key.has_expired(now()) else 'expires'} {_shown(key.expires_at)}" if key.expires_at else "",
        ]
        told = "; ".join(filter(None, restrictions))
        used = f"last used {_shown(key.last_used_at)}" if key.last_used_at else "never used"
        click.echo(
            f"{key.id}  {key.permission:<15} {_shown(key.created_at)}  {used:<30}  {key.name}"
            + (f"  ({told})" if told else "")
        )


@keys.command("revoke")
@with_settings("data")
@click.argument("key_id")
def keys_revoke(variables: Variables, *, key_id: str) -> None:
    """Revoke an API key by its id. Running functions notice within POSTROOM_CACHE."""
    from postroom.keys import Keys

    _, directory = opened(variables)
    if not Keys(directory).revoke(key_id):
        raise click.ClickException(f"there is no API key with the id {key_id}")
    click.echo(f"revoked {key_id}")


def _every(keys: Keys) -> Iterator[ApiKey]:
    from postroom.ports import Cursor

    cursor = Cursor(limit=100)
    while True:
        page = keys.page(cursor)
        yield from page.items
        if not page.has_more:
            return
        cursor = Cursor(after=page.items[-1].id, limit=100)


def _id_of(variables: Variables, domain: str) -> str:
    with kept(variables) as domains:
        return domains.named(domain).id


def _moment(text: str, now: datetime) -> datetime:
    """The moment that is so far from now, or that is written out. Raises ValueError."""
    from postroom.smtp.spelling import positive

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now + positive(text)
    if moment.tzinfo is None or moment <= now:
        raise ValueError(f"{text} is not a time to come with its offset from UTC, such as 2030-01-31T09:30:00Z")
    return moment.astimezone(UTC)


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
