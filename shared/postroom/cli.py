"""`postroom dev | serve | send | show | keys | domains | config`: the command line.

What `dev` and `serve` run is clouds/local; `send` and `show` speak to the API like any client.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from postroom import settings as settings_
from postroom.settings import Settings, SettingsError

DELAYED = "delivery_delayed"

Variables = dict[str, str]
Command = Callable[..., Any]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postroom")
def main() -> None:
    """postroom: JSON over HTTPS in, one SMTP session out, and every word of it kept."""


def with_settings(*only: str) -> Callable[[Command], Command]:
    """A `--config FILE` and a flag for each setting, or for those named; the command gets them as variables by name.

    The command's own options come first in its help.
    """

    def decorate(command: Command) -> Command:
        names = {setting.name: setting.variable for setting in settings_.every_setting()}

        def run(config: Path | None, **given: Any) -> Any:
            flags = {names[name]: value for name, value in given.items() if name in names and value is not None}
            rest = {name: value for name, value in given.items() if name not in names}
            with reported():
                return command({**(settings_.from_file(config) if config else {}), **_environment(), **flags}, **rest)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        options: Command = click.option("--config", type=click.Path(path_type=Path), help="a TOML file of settings")(
            run
        )
        for setting in reversed(settings_.every_setting()):
            # A secret on a command line can be read by everybody on the machine.
            if not setting.secret and (not only or setting.name in only):
                flag = "--" + setting.name.replace("_", "-")
                options = click.option(flag, setting.name, help=f"{setting.meaning} [{setting.default}]")(options)
        own = getattr(command, "__click_params__", [])
        run.__click_params__ = [*run.__click_params__, *own]  # type: ignore[attr-defined]  # where click keeps options
        return options

    return decorate


def _environment() -> Variables:
    known = {setting.variable for setting in settings_.every_setting()}
    return {name: value for name, value in os.environ.items() if name in known and value.strip()}


class reported:  # noqa: N801  it reads as a statement
    """Errors that are for the operator end the command with their text, without a traceback."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        from postroom.client import ApiError
        from postroom.house.supervisor import StartError
        from postroom.ports import Unavailable

        if isinstance(error, SettingsError):
            raise click.ClickException("these settings can't be used:\n  " + "\n  ".join(error.problems)) from error
        if isinstance(error, StartError | ApiError | Unavailable):
            raise click.ClickException(str(error)) from error


# Running the house.


@main.command()
@with_settings()
@click.option("--quiet", is_flag=True, help="don't print each conversation")
def dev(variables: Variables, *, quiet: bool) -> None:
    """Run everything on this machine, with a destination server that catches every letter."""
    try:
        from postroom.house import development
    except ModuleNotFoundError as error:
        raise click.ClickException(f"`dev` needs the package {error.name}: pip install 'postroom[dev]'") from error
    warn()
    with reported():
        sys.exit(development.run(variables, quiet=quiet))


@main.command()
@with_settings()
def serve(variables: Variables) -> None:
    """Run everything on this machine, for production: real routes, several workers."""
    from postroom import wiring
    from postroom.house.supervisor import Supervisor, house, in_url, listening_at

    settings = wiring.prepare(Settings.from_environment(variables))
    host, port = listening_at(settings.listen)
    warn(settings)
    variables = {**variables, **settings.secrets(), "POSTROOM_LISTEN": f"{in_url(host)}:{port}"}
    supervisor = Supervisor(house(host, port, variables, workers=os.cpu_count() or 1, threads=32))
    on_stop(supervisor.stop)
    try:
        supervisor.start()
        supervisor.wait_until_ready(host, port)
        if not supervisor.stopping:
            routes = ", ".join(f"{route.match} by {route.name}" for route in settings.routes.table)
            click.echo(f"postroom answers on http://{in_url(host)}:{port} as {settings.helo}, data in {settings.data}")
            click.echo(f"postroom carries {routes}; senders: {settings.verified_senders}")
        while not supervisor.stopping:
            supervisor.tend()
        click.echo("postroom is stopping: sessions under way may end, 35 s at most")
    finally:
        supervisor.end()
    click.echo("postroom has stopped")


def warn(settings: Settings | None = None) -> None:
    """Say what can't be meant, and goes on all the same."""
    for name in settings_.unknown(os.environ):
        click.echo(f"postroom: {name} is set, and there is no such setting", err=True)
    if settings is not None and "." not in settings.helo and not settings.helo.startswith("["):
        click.echo(
            f"postroom: POSTROOM_HELO is {settings.helo!r}, which is no full host name; many servers refuse that",
            err=True,
        )


def on_stop(stop: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


# Speaking to the API.


@main.command()
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


@main.command()
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


# What the account owns.


@main.group()
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

    from postroom import wiring
    from postroom.account.key import ApiKey, Permission, new_token, token_hash

    directory = wiring.home(wiring.prepare(Settings.from_environment(variables))).directory
    key = ApiKey(str(uuid4()), name, Permission(permission), wiring.clock())
    token = new_token(os.urandom(32))
    directory.put("api_key", token_hash(token), key.record())
    shown = {"id": key.id, "name": name, "permission": permission, "token": token}
    click.echo(json.dumps(shown) if as_json else f"{token}\n(key {key.id}; it can't be shown again)")


@keys.command("list")
@with_settings("data")
def keys_list(variables: Variables) -> None:
    """List the API keys, without their tokens."""
    for _, document in sorted(_documents(variables, "api_key"), key=lambda item: str(item[1]["created_at"])):
        click.echo(f"{document['id']}  {document['permission']:<15} {document['created_at']}  {document['name']}")


@keys.command("revoke")
@with_settings("data")
@click.argument("key_id")
def keys_revoke(variables: Variables, *, key_id: str) -> None:
    """Revoke an API key by its id. Running functions notice within POSTROOM_CACHE."""
    from postroom import wiring

    for hashed, document in _documents(variables, "api_key"):
        if document["id"] == key_id:
            wiring.home(Settings.from_environment(variables)).directory.delete("api_key", hashed)
            click.echo(f"revoked {key_id}")
            return
    raise click.ClickException(f"there is no API key with the id {key_id}")


@main.group()
def domains() -> None:
    """Sending domains of this deployment, and the keys that sign for them."""


@domains.command("add")
@with_settings("data")
@click.argument("name")
@click.option("--selector", default="postroom", help="the DKIM selector")
@click.option("--key", "key_file", type=click.Path(exists=True, path_type=Path), help="a private key to sign with, PEM")
def domains_add(variables: Variables, *, name: str, selector: str, key_file: Path | None) -> None:
    """Let letters come from a domain and sign them. Who runs this vouches for the domain being theirs."""
    from postroom import wiring

    settings = wiring.prepare(Settings.from_environment(variables))
    try:
        domain = wiring.add_domain(settings, name, selector, key_file.read_bytes() if key_file else None)
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
    for known, document in _documents(variables, "domain"):
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
    for name, document in _documents(variables, "domain"):
        selectors = ", ".join(key["selector"] for key in document["keys"])
        click.echo(f"{name}  {'verified' if document['verified'] else 'not verified'}  {selectors}")


def _documents(variables: Variables, kind: str) -> list[tuple[str, Any]]:
    from postroom import wiring

    directory = wiring.home(wiring.prepare(Settings.from_environment(variables))).directory
    found: list[tuple[str, Any]] = []
    while page := directory.list(kind, found[-1][0] if found else ""):
        found += page
    return found


@main.command()
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


if __name__ == "__main__":
    main()
