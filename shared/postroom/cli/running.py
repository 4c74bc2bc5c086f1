"""`postroom dev` and `postroom serve`."""

from __future__ import annotations

import os
import sys

import click

from postroom.cli.config import warn
from postroom.cli.flags import Variables, reported, with_settings
from postroom.setting import in_url
from postroom.settings import Settings


@click.command()
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


@click.command()
@with_settings()
def serve(variables: Variables) -> None:
    """Run everything on this machine, for production: real routes, several workers."""
    from postroom import wiring
    from postroom.house.signals import on_stop
    from postroom.house.supervisor import Supervisor, house, listening_at, only_here

    settings = Settings.from_environment(variables)
    only_here(settings)
    settings = wiring.prepare(settings)
    host, port = listening_at(settings.listen)
    warn(settings)
    variables = {**variables, **settings.secrets(), "POSTROOM_LISTEN": f"{in_url(host)}:{port}"}
    supervisor = Supervisor(house(host, port, variables, workers=os.cpu_count() or 1, threads=32))
    on_stop(supervisor.stop)
    try:
        supervisor.start()
        supervisor.wait_until_ready(host, port)
        if not supervisor.stopping:
            routes = ", ".join(f"{route.carries} by {route.name}" for route in settings.routes.table)
            click.echo(f"postroom answers on http://{in_url(host)}:{port} as {settings.helo}, data in {settings.data}")
            click.echo(f"postroom carries {routes}; senders: {settings.verified_senders}")
        while not supervisor.stopping:
            supervisor.tend()
        click.echo("postroom is stopping: sessions under way may end, 35 s at most")
    finally:
        supervisor.end()
    click.echo("postroom has stopped")
