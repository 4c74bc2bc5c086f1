"""`postroom send` and `postroom show`, on top of the API."""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from postroom.cli.flags import Variables, with_settings
from postroom.settings import Settings

DELAYED = "delivery_delayed"


@click.command()
@with_settings("listen", "public_url")
@click.option("--from", "sender", required=True)
@click.option("--to", multiple=True, required=True)
@click.option("--cc", multiple=True)
@click.option("--bcc", multiple=True)
@click.option("--reply-to", multiple=True)
@click.option("--subject", default="")
@click.option("--text", help="the plain text; - reads it from standard input")
@click.option("--html")
@click.option("--attach", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--at", "scheduled_at", help="when to send it: `in 1 hour`, `tomorrow at 9am`, or ISO 8601")
@click.option("--idempotency-key", help="a repeat under the same key sends nothing twice")
@click.option("--wait", is_flag=True, help="wait until nothing is left to do, then show the letter")
@click.option("--json", "as_json", is_flag=True, help="print the API's answer")
def send(variables: Variables, *, idempotency_key: str | None, wait: bool, as_json: bool, **letter: Any) -> None:
    """Send a letter by the API."""
    client = _client(variables)
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    answer = client.call("POST", "/emails", _body(**letter), **headers)
    click.echo(json.dumps(answer) if as_json else answer["id"])
    if wait:
        _wait(client, answer["id"])


def _wait(client: Any, email_id: str) -> None:
    """Show the letter when nothing is left to do for it; the exit status says whether all of it was delivered."""
    told = "queued"
    while (event := client.call("GET", f"/emails/{email_id}")["last_event"]) in ("queued", "scheduled", DELAYED):
        if event != told:
            click.echo("refused for now; it will be tried again" if event == DELAYED else event, err=True)
            told = event
        time.sleep(0.2)
    _show(client, email_id)
    sys.exit(0 if event == "delivered" else 1)


def _body(*, sender: str, text: str | None, attach: tuple[Path, ...], **rest: Any) -> dict[str, Any]:
    body = {
        "from": sender,
        **{name: list(value) if isinstance(value, tuple) else value for name, value in rest.items()},
    }
    if text is not None:
        body["text"] = sys.stdin.read() if text == "-" else text
    if attach:
        body["attachments"] = [
            {"filename": path.name, "content": base64.b64encode(path.read_bytes()).decode()} for path in attach
        ]
    return {name: value for name, value in body.items() if value not in (None, [])}


@click.command()
@with_settings("listen", "public_url")
@click.argument("email_id")
@click.option("--json", "as_json", is_flag=True, help="print the API's answers")
def show(variables: Variables, *, email_id: str, as_json: bool) -> None:
    """Show a letter, its recipients, and the conversation of every attempt."""
    client = _client(variables)
    if as_json:
        email = client.call("GET", f"/emails/{email_id}")
        email["attempts"] = client.call("GET", f"/emails/{email_id}/attempts?limit=100")["data"]
        click.echo(json.dumps(email, indent=2, ensure_ascii=False))
    else:
        _show(client, email_id)


def _show(client: Any, email_id: str) -> None:
    from postroom.terminal import Terminal

    terminal = Terminal()
    terminal.email(client.call("GET", f"/emails/{email_id}"))
    for attempt in reversed(client.call("GET", f"/emails/{email_id}/attempts?limit=100")["data"]):
        terminal.line()
        terminal.attempt(attempt, attempt["started_at"])


def _client(variables: Variables) -> Any:
    from postroom.client import Client

    settings = Settings.from_environment(variables)
    return Client(settings.url, settings.api_key or settings.bootstrap_key)
