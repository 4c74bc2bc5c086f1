"""`postroom dev | serve | send | report | show | keys | domains | webhooks | preflight | config`: the command line.

What `dev` and `serve` run is `house`; `send`, `report` and `show` speak to the API like any client.
"""

from __future__ import annotations

import click

from postroom.cli.config import config
from postroom.cli.domains import domains
from postroom.cli.keys import keys
from postroom.cli.letters import report, send, show
from postroom.cli.preflight import preflight
from postroom.cli.running import dev, serve
from postroom.cli.webhooks import webhooks


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="postroom")
def main() -> None:
    """postroom: JSON over HTTPS in, one SMTP session out, and every word of it kept."""


for command in (dev, serve, send, report, show, keys, domains, webhooks, preflight, config):
    main.add_command(command)
