"""The settings: from environment, file and flags to one frozen `Settings`.

Each setting is described in one place, the fields of `Settings`; the README's table, `postroom config` and the
flags of `dev` and `serve` are made from there. All problems are reported at once.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from postroom.delivery.retry import RetryPolicy
from postroom.delivery.routing import MX_FOR_EVERYTHING, Routes
from postroom.setting import (
    Network,
    Setting,
    address,
    certificates,
    duration,
    durations,
    host_name,
    in_url,
    key,
    networks,
    one_of,
    port,
    positive,
    resolvers,
    routes,
    some,
    timeouts,
    url,
)
from postroom.smtp.timeouts import Timeouts

T = TypeVar("T")


class SettingsError(ValueError):
    """Settings that can't be used; `problems` names each of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _setting(
    variable: str, default: T, shown: str, meaning: str, parse: Callable[[str], T], *, secret: bool = False
) -> T:
    setting = Setting(variable, shown, meaning, parse, secret)
    made: T = field(default=default, metadata={"setting": setting}, repr=not secret)
    return made


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator can set. `from_environment` makes it; nothing else reads the environment."""

    cloud: str = _setting(
        "POSTROOM_CLOUD", "local", "local", "the home: `local`, SQLite on one machine", one_of("local")
    )
    data: Path = _setting(
        "POSTROOM_DATA",
        Path("postroom-data"),
        "./postroom-data",
        "folder of the SQLite file and of large letters",
        lambda text: Path(some(text)),
    )
    listen: tuple[str, int] = _setting(
        "POSTROOM_LISTEN",
        ("127.0.0.1", 8080),
        "127.0.0.1:8080",
        "where `dev` and `serve` answer; the worker function gets a free port beside it",
        address,
    )
    helo: str = _setting(
        "POSTROOM_HELO", "", "the host's own name", "what we call ourselves; should match the address's PTR", host_name
    )
    routes: Routes = _setting(
        "POSTROOM_ROUTES",
        MX_FOR_EVERYTHING,
        "`mx` for everything; in `dev` the catch-all server",
        "the routes table: a TOML file, or the table itself",
        routes,
    )
    smtp_port: int = _setting("POSTROOM_SMTP_PORT", 25, "25", "port of destination servers on `mx` routes", port)
    resolvers: tuple[tuple[str, int], ...] = _setting(
        "POSTROOM_RESOLVERS", (), "the system's", "DNS servers, `address[:port]`, comma separated", resolvers
    )
    dial_allow: tuple[Network, ...] = _setting(
        "POSTROOM_DIAL_ALLOW",
        (),
        "none; in `dev` loopback",
        "networks that may be dialled although not public, comma separated CIDR",
        networks,
    )
    ca_file: str | None = _setting(
        "POSTROOM_CA_FILE",
        None,
        "the system's; in `dev` the catch-all server's own",
        "roots for verified TLS, a PEM file",
        certificates,
    )
    retry_schedule: tuple[timedelta, ...] = _setting(
        "POSTROOM_RETRY_SCHEDULE",
        RetryPolicy().delays,
        "1m,5m,15m,30m,1h,2h,4h",
        "delays between attempts; the last one repeats",
        durations,
    )
    give_up_after: timedelta = _setting(
        "POSTROOM_GIVE_UP_AFTER",
        RetryPolicy().give_up_after,
        "3d",
        "then a deferred recipient becomes `expired`",
        positive,
    )
    timeouts: Timeouts = _setting(
        "POSTROOM_TIMEOUTS",
        Timeouts(),
        "connect=10s,greeting=60s,command=60s,data=120s,final=600s",
        "how long each phase of a session may take; those left out keep their default",
        timeouts,
    )
    verified_senders: str = _setting(
        "POSTROOM_VERIFIED_SENDERS",
        "required",
        "required; in `dev` any",
        "`required`: only verified domains may stand in From; `any`: every domain may",
        one_of("required", "any"),
    )
    on_unknown: str = _setting(
        "POSTROOM_ON_UNKNOWN",
        "retry",
        "retry",
        "what follows a connection lost after the final dot: `retry` or `hold`",
        one_of("retry", "hold"),
    )
    function_timeout: timedelta = _setting(
        "POSTROOM_FUNCTION_TIMEOUT", timedelta(seconds=780), "780s", "the most a function may take", duration
    )
    lease: timedelta = _setting(
        "POSTROOM_LEASE", timedelta(seconds=840), "840s", "how long a claim holds; longer than a function", duration
    )
    log: str = _setting(
        "POSTROOM_LOG",
        "attempts",
        "attempts; in `dev` errors",
        "`attempts`: a line of JSON for each attempt; `errors`: only what went wrong",
        one_of("attempts", "errors"),
    )
    cache: timedelta = _setting(
        "POSTROOM_CACHE", timedelta(seconds=30), "30s", "how long keys and domains may be remembered", duration
    )
    public_url: str | None = _setting(
        "POSTROOM_PUBLIC_URL", None, "the address it answers on", "where `send` and `show` find the API", url
    )
    return_path_domain: str | None = _setting(
        "POSTROOM_RETURN_PATH_DOMAIN",
        None,
        "the From address",
        "domain of MAIL FROM; its local part then names the submission",
        host_name,
    )
    seal_public: str | None = _setting(
        "POSTROOM_SEAL_PUBLIC", None, "made on first start", "DKIM keys are sealed to this key", some
    )
    seal_private: str | None = _setting(
        "POSTROOM_SEAL_PRIVATE", None, "made on first start", "opens DKIM keys; the worker's alone", some, secret=True
    )
    task_secret: str | None = _setting(
        "POSTROOM_TASK_SECRET",
        None,
        "made on first start",
        "shows the worker function that a task comes from the queue",
        some,
        secret=True,
    )
    bootstrap_key: str | None = _setting(
        "POSTROOM_BOOTSTRAP_KEY", None, "none", "an API key that exists from the start", key, secret=True
    )
    api_key: str | None = _setting(
        "POSTROOM_API_KEY", None, "none", "the key that `send` and `show` use", some, secret=True
    )

    def secrets(self) -> dict[str, str]:
        """The variables that hand the secrets of a first start on to the processes of the house."""
        made = {
            "POSTROOM_SEAL_PUBLIC": self.seal_public,
            "POSTROOM_SEAL_PRIVATE": self.seal_private,
            "POSTROOM_TASK_SECRET": self.task_secret,
        }
        return {variable: value for variable, value in made.items() if value}

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(self.retry_schedule, self.give_up_after)

    @property
    def url(self) -> str:
        """Where the API answers, without a slash at the end."""
        host, number = self.listen
        return (self.public_url or f"http://{in_url(host)}:{number}").rstrip("/")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings by the environment, or by variables that stand for it, and the defaults.

        Variables that are set but empty count as not set. Raises `SettingsError`.
        """
        environment = os.environ if environment is None else environment
        texts = {name: value for name, value in environment.items() if value.strip()}
        problems: list[str] = []
        values: dict[str, Any] = {}
        for each in fields(cls):
            setting = setting_of(each)
            if setting.variable in texts:
                try:
                    values[each.name] = setting.parse(texts[setting.variable])
                except ValueError as error:  # the readers of secrets don't repeat them
                    problems.append(f"{setting.variable}: {error}")
        if not problems:
            values.setdefault("helo", _own_name())
            made = cls(**values)
            problems = made._contradictions()
            if not problems:
                return made
        raise SettingsError(problems)

    def _contradictions(self) -> list[str]:
        problems = []
        if self.function_timeout >= self.lease:
            problems.append("POSTROOM_LEASE must be longer than POSTROOM_FUNCTION_TIMEOUT, or two workers could send")
        if self.function_timeout < timedelta(seconds=60):
            problems.append("POSTROOM_FUNCTION_TIMEOUT must be 60s at least: a session needs time to end well")
        if self.seal_private and not self.seal_public:
            problems.append("POSTROOM_SEAL_PRIVATE opens what is sealed to POSTROOM_SEAL_PUBLIC, which must be set too")
        return problems


def setting_of(each: Field[Any]) -> Setting:
    setting: Setting = each.metadata["setting"]
    return setting


def every_setting() -> list[Setting]:
    """All settings, in the order of their description."""
    return [setting_of(each) for each in fields(Settings)]


def from_file(path: Path) -> dict[str, str]:
    """The variables that a settings file sets, its names being those of `Setting.name`. Raises `SettingsError`."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError([f"{path} can't be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path} is not TOML: {error}"]) from error
    known = {setting.name: setting.variable for setting in every_setting()}
    problems = [f"{path}: {name} is not a setting" for name in table if name not in known]
    texts = {name: _text(value) for name, value in table.items()}
    problems += [f"{path}: {name} must be a string, a number or a list" for name, text in texts.items() if text is None]
    if problems:
        raise SettingsError(problems)
    return {known[name]: text for name, text in texts.items() if text is not None}


def unknown(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like settings and are none: most likely mistyped."""
    known = {setting.variable for setting in every_setting()}
    return sorted(name for name in environment if name.startswith("POSTROOM_") and name not in known)


def _text(value: object) -> str | None:
    """A value of a settings file, as it would stand in the environment."""
    if isinstance(value, list):
        parts = [_text(each) for each in value]
        return None if None in parts else ",".join(part for part in parts if part is not None)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _own_name() -> str:
    """The host's own name; an address literal would be as lawful and less welcome (RFC 5321 §4.1.3)."""
    name = socket.gethostname()
    try:
        return host_name(name)
    except ValueError:
        return "localhost"
