"""`postroom webhooks`: who is told what happens to letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from postroom.cli.directory import opened
from postroom.cli.flags import Variables, with_settings

if TYPE_CHECKING:
    from postroom.settings import Settings
    from postroom.webhooks import Webhooks


@click.group()
def webhooks() -> None:
    """Webhooks of this deployment: endpoints that are told what happens."""


@webhooks.command("create")
@with_settings("data")
@click.argument("endpoint")
@click.option("--event", "events", multiple=True, help="a type of events; may be repeated; else all about letters")
@click.option("--json", "as_json", is_flag=True)
def webhooks_create(variables: Variables, *, endpoint: str, events: Sequence[str], as_json: bool) -> None:
    """Have events posted to the URL ENDPOINT. Running functions notice within 2 seconds."""
    from postroom.account.standard_webhooks import written
    from postroom.account.webhook import MOST, OURS, TYPES
    from postroom.internet.endpoint import Endpoint
    from postroom.internet.guard import Forbidden, Guard
    from postroom.internet.url import BadUrl
    from postroom.webhooks import TooMany

    unknown = [each for each in events if each not in TYPES]
    if unknown:
        raise click.ClickException(f"there is no type {', '.join(unknown)}, but {', '.join(TYPES)}")
    try:
        where = Endpoint.parse(endpoint)
    except BadUrl as error:
        raise click.ClickException(str(error)) from error
    wanted = events or [each for each in OURS if each.startswith("email.")]
    settings, register = _opened(variables)
    try:
        made, secret = register.create(endpoint, wanted)
    except TooMany:
        raise click.ClickException(f"there are {MOST} webhooks, and no more may be: delete one") from None
    if as_json:
        shown = {"id": made.id, "endpoint": endpoint, "events": list(made.events), "signing_secret": written(secret)}
        click.echo(json.dumps(shown))
        return
    click.echo(f"{written(secret)}\n(webhook {made.id}: what its events are signed with)")
    if not where.secure:
        click.echo("(without TLS it is told things only in a network that POSTROOM_DIAL_ALLOW names)", err=True)
        return
    try:
        where.check(Guard(settings.dial_allow))
    except Forbidden as error:  # by the settings of this command; `dev` adds a network of its own
        click.echo(f"(it is told nothing unless functions have other settings: {error})", err=True)


@webhooks.command("list")
@with_settings("data")
def webhooks_list(variables: Variables) -> None:
    """List the webhooks, oldest first, without their secrets and credentials."""
    from postroom.internet.endpoint import Endpoint

    _, register = _opened(variables)
    for each in reversed(register.all()):
        why = f"  ({each.why})" if each.why else ""
        made = each.created_at.isoformat(timespec="seconds")
        click.echo(f"{each.id}  {each.status:<8}  {made}  {Endpoint.parse(each.endpoint).url}{why}")
        click.echo(f"    {', '.join(each.events)}")


@webhooks.command("test")
@with_settings("data")
@click.argument("webhook_id")
@click.option("--type", "type_", help="a type that the webhook wants; else the first of them that happens here")
def webhooks_test(variables: Variables, *, webhook_id: str, type_: str | None) -> None:
    """Post a sample event, of which nothing has happened. It stands in the webhook's log like any other."""
    from postroom import wiring
    from postroom.trying import Disabled, NotWanted

    settings, register = _opened(variables)
    webhook = register.read(webhook_id)
    if webhook is None:
        raise _nobody(webhook_id)
    try:
        event = wiring.trying(settings).test(webhook, type_)
    except Disabled:
        raise click.ClickException("the webhook is disabled: enable it before it is told more") from None
    except NotWanted as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{event.id}  {event.type}")


@webhooks.command("rotate")
@with_settings("data")
@click.argument("webhook_id")
def webhooks_rotate(variables: Variables, *, webhook_id: str) -> None:
    """Make a new signing secret. The old one signs along for 24 hours."""
    from postroom.account.standard_webhooks import written

    _, register = _opened(variables)
    secret = register.rotate(webhook_id)
    if secret is None:
        raise _nobody(webhook_id)
    click.echo(written(secret))


@webhooks.command("delete")
@with_settings("data")
@click.argument("webhook_id")
def webhooks_delete(variables: Variables, *, webhook_id: str) -> None:
    """Delete a webhook and its log."""
    _, register = _opened(variables)
    if not register.remove(webhook_id):
        raise _nobody(webhook_id)
    click.echo(f"deleted {webhook_id}")


def _opened(variables: Variables) -> tuple[Settings, Webhooks]:
    from postroom import wiring

    settings, _ = opened(variables)
    if not settings.master_keys:
        raise click.ClickException("POSTROOM_MASTER_KEYS must be set: the signing secrets lie under them")
    return settings, wiring.webhooks(settings)


def _nobody(id_: str) -> click.ClickException:
    return click.ClickException(f"there is no webhook with the id {id_}")
