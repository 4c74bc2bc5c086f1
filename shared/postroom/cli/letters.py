"""`postroom send`, `postroom report` and `postroom show`, on top of the API."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from postroom.cli.flags import Variables, api_of, with_settings

if TYPE_CHECKING:
    from postroom.client import Client

DELAYED = "delivery_delayed"

_OF_ONE_LETTER = {"to", "cc", "bcc", "text", "html", "attach", "idempotency_key"}
_OF_BULK = {
    "csv_file", "template", "to_column", "number", "delimiter", "allow_duplicates", "campaign",
    "dry_run", "yes", "errors", "wait_for",
}  # fmt: skip
_A_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ANY_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@with_settings("listen", "public_url")
@click.option("--from", "sender", help="needed unless a template says it")
@click.option("--to", multiple=True)
@click.option("--cc", multiple=True)
@click.option("--bcc", multiple=True)
@click.option("--reply-to", multiple=True)
@click.option("--subject")
@click.option("--text", help="the plain text; - reads it from standard input")
@click.option("--html")
@click.option("--attach", multiple=True, type=_A_FILE)
@click.option("--tag", multiple=True, metavar="NAME=VALUE", help="comes back with every event; may be repeated")
@click.option("--unsubscribe", is_flag=True, help="with one-click unsubscribe")
@click.option(
    "--at", "--scheduled-at", "scheduled_at", help="when to send it: `in 1 hour`, `tomorrow at 9am`, or ISO 8601"
)
@click.option("--idempotency-key", help="a repeat under the same key sends nothing twice")
@click.option("--wait/--no-wait", default=None, help="wait until nothing is left to do, then show what became of it")
@click.option("--json", "as_json", is_flag=True, help="print the API's answer; with --csv, the summary")
@click.option("--csv", "csv_file", type=_A_FILE, help="bulk mail: a letter by the template for each row of this file")
@click.option("--template", help="with --csv: a published template, by its id or alias")
@click.option("--to-column", help="the column of addresses  [email or to]")
@click.option("--number", multiple=True, metavar="COLUMN", help="holds numbers; only a key that may not read needs it")
@click.option("--delimiter", default=",", help="what separates the columns, such as `;` or `tab`  [,]")
@click.option("--allow-duplicates", is_flag=True, help="send to an address as often as it stands in the file")
@click.option("--campaign", help="tags the letters, and keeps a run from being made twice  [made of file and options]")
@click.option("--dry-run", is_flag=True, help="check everything, show the first letter, send nothing")
@click.option("--yes", is_flag=True, help="send without being asked")
@click.option("--errors", type=_ANY_FILE, help="where to write the rows that the API refuses, to be mended and sent")
@click.option("--wait-for", default="10m", help="how long to wait at most  [10m]")
def send(variables: Variables, **options: Any) -> None:
    """Send a letter by the API, or with --csv one to each of many."""
    if options["csv_file"] is not None:
        _refuse(_OF_ONE_LETTER, "goes with a single letter, not with --csv")
        if options["template"] is None:
            raise click.UsageError("--csv needs a --template to fill in")
        from postroom.cli.bulk import send_rows, sent_by

        send_rows(api_of(variables), sent_by(**options))
        return
    _refuse(_OF_BULK, "goes with --csv")
    if not options["to"] or options["sender"] is None:
        raise click.UsageError(f"--{'from' if options['to'] else 'to'} is missing")
    _send_one(api_of(variables), **{name: value for name, value in options.items() if name not in _OF_BULK})


def _refuse(names: Iterable[str], why: str) -> None:
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if given and parameter.name in names:
            raise click.UsageError(f"{parameter.opts[0]} {why}")


def _send_one(client: Client, *, idempotency_key: str | None, wait: bool | None, as_json: bool, **letter: Any) -> None:
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    answer = client.call("POST", "/emails", _body(**letter), **headers)
    click.echo(json.dumps(answer) if as_json else answer["id"])
    if wait:
        _wait(client, answer["id"])


def _wait(client: Client, email_id: str) -> None:
    """Show the letter when nothing is left to do for it; the exit status says whether all of it was delivered."""
    told = "queued"
    while (event := client.call("GET", f"/emails/{email_id}")["last_event"]) in ("queued", "scheduled", DELAYED):
        if event != told:
            click.echo("refused for now; it will be tried again" if event == DELAYED else event, err=True)
            told = event
        time.sleep(0.2)
    _show(client, email_id)
    sys.exit(0 if event == "delivered" else 1)


def _body(
    *,
    sender: str,
    subject: str | None,
    text: str | None,
    attach: tuple[Path, ...],
    tag: tuple[str, ...],
    unsubscribe: bool,
    **rest: Any,
) -> dict[str, Any]:
    body = {
        "from": sender,
        "subject": subject or "",
        "tags": [dict(zip(("name", "value"), each.partition("=")[::2], strict=True)) for each in tag],
        "delivery": {"unsubscribe": True} if unsubscribe else None,
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
@click.option("--campaign", required=True, help="as `send --csv` named it")
@click.option("--json", "as_json", is_flag=True, help="print it for machines")
def report(variables: Variables, *, campaign: str, as_json: bool) -> None:
    """Sum up what became of the letters of a campaign."""
    from postroom.cli.summary import report

    report(api_of(variables), campaign, as_json=as_json)


@click.command()
@with_settings("listen", "public_url")
@click.argument("email_id")
@click.option("--json", "as_json", is_flag=True, help="print the API's answers")
def show(variables: Variables, *, email_id: str, as_json: bool) -> None:
    """Show a letter, its recipients, and the conversation of every attempt."""
    client = api_of(variables)
    if as_json:
        email = client.call("GET", f"/emails/{email_id}")
        email["attempts"] = client.call("GET", f"/emails/{email_id}/attempts?limit=100")["data"]
        click.echo(json.dumps(email, indent=2, ensure_ascii=False))
    else:
        _show(client, email_id)


def _show(client: Client, email_id: str) -> None:
    from postroom.terminal import Terminal

    terminal = Terminal()
    terminal.email(client.call("GET", f"/emails/{email_id}"))
    for attempt in reversed(client.call("GET", f"/emails/{email_id}/attempts?limit=100")["data"]):
        terminal.line()
        terminal.attempt(attempt, attempt["started_at"])
