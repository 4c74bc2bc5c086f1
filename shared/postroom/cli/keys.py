"""`postroom keys`: API keys of this deployment."""

from __future__ import annotations

import json
import os

import click

from postroom.cli.directory import documents, opened
from postroom.cli.flags import Variables, with_settings


@click.group()
def keys() -> None:
    """API keys of this deployment."""


@keys.command("create")
@with_settings("data")
@click.option("--name", default="postroom keys create")
@click.option("--permission", type=click.Choice(["full_access", "sending_access"]), default="full_access")
@click.option("--json", "as_json", is_flag=True)
def keys_create(variables: Variables, *, name: str, permission: str, as_json: bool) -> None:
    """Make an API key. It is shown once, here; only its hash is kept."""
    from uuid import uuid4

    from postroom.account.key import ApiKey, Permission, new_token, token_hash
    from postroom.clouds.clock import now

    _, directory = opened(variables)
    key = ApiKey(str(uuid4()), name, Permission(permission), now())
    token = new_token(os.urandom(32))
    directory.put("api_key", token_hash(token), key.record())
    shown = {"id": key.id, "name": name, "permission": permission, "token": token}
    click.echo(json.dumps(shown) if as_json else f"{token}\n(key {key.id}; it can't be shown again)")


@keys.command("list")
@with_settings("data")
def keys_list(variables: Variables) -> None:
    """List the API keys, without their tokens."""
    for _, document in sorted(documents(variables, "api_key"), key=lambda item: str(item[1]["created_at"])):
        click.echo(f"{document['id']}  {document['permission']:<15} {document['created_at']}  {document['name']}")


@keys.command("revoke")
@with_settings("data")
@click.argument("key_id")
def keys_revoke(variables: Variables, *, key_id: str) -> None:
    """Revoke an API key by its id. Running functions notice within POSTROOM_CACHE."""
    _, directory = opened(variables)
    for hashed, document in documents(variables, "api_key"):
        if document["id"] == key_id:
            directory.delete("api_key", hashed)
            click.echo(f"revoked {key_id}")
            return
    raise click.ClickException(f"there is no API key with the id {key_id}")
