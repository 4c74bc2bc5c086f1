"""Settings as flags: what every command takes, and how its errors are told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from postroom import settings as settings_
from postroom.settings import SettingsError

if TYPE_CHECKING:
    from postroom.client import Client

Variables = dict[str, str]
Command = Callable[..., Any]


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


def api_of(variables: Variables) -> Client:
    """A client of the API that the settings name, with their key."""
    from postroom.client import Client

    settings = settings_.Settings.from_environment(variables)
    return Client(settings.url, settings.api_key or settings.bootstrap_key)


@contextmanager
def reported() -> Iterator[None]:
    """Errors that are for the operator end the command with their text, without a traceback."""
    from postroom.client import ApiError
    from postroom.house.supervisor import StartError
    from postroom.ports import Unavailable

    try:
        yield
    except SettingsError as error:
        raise click.ClickException("these settings can't be used:\n  " + "\n  ".join(error.problems)) from error
    except (StartError, ApiError, Unavailable) as error:
        raise click.ClickException(str(error)) from error
    except ModuleNotFoundError as error:
        extra = {"google": "gcp", "boto3": "aws", "botocore": "aws"}.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        message = f"POSTROOM_CLOUD={extra} needs the package {error.name}: pip install 'postroom[{extra}]'"
        raise click.ClickException(message) from error
