"""The settings: from environment, file and flags to one frozen `Settings`.

Each setting is described in one place, the fields of `Settings`; the README's table, `postroom config` and the
flags of `dev` and `serve` are made from there. All problems are reported at once.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from postroom.delivery.only_to import OnlyTo
from postroom.delivery.retry import RetryPolicy
from postroom.delivery.routing import MX_FOR_EVERYTHING, Routes
from postroom.setting import (
    Network,
    Setting,
    address,
    certificates,
    count,
    domain,
    durations,
    host_names,
    in_url,
    key,
    master_keys,
    networks,
    one_of,
    port,
    resolvers,
    routes,
    some,
    spf_mechanisms,
    timeouts,
    url,
    yes_or_no,
)
from postroom.smtp.spelling import duration, host_name, positive
from postroom.smtp.timeouts import Timeouts

T = TypeVar("T")


GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"


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
        "POSTROOM_CLOUD",
        "local",
        "local",
        "the home: `local`, SQLite on one machine; `gcp`, Google Cloud; `aws`",
        one_of("local", "gcp", "aws"),
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
    sts_port: int = _setting("POSTROOM_STS_PORT", 443, "443", "port of MTA-STS policy hosts", port)
    resolvers: tuple[tuple[str, int], ...] = _setting(
        "POSTROOM_RESOLVERS", (), "the system's", "DNS servers, `address[:port]`, comma separated", resolvers
    )
    trust_ad: bool = _setting(
        "POSTROOM_TRUST_AD",
        False,
        "false",
        "those DNS servers validate DNSSEC, and nobody stands between them and us: DANE may be used",
        yes_or_no,
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
    blocklists: tuple[str, ...] = _setting(
        "POSTROOM_BLOCKLISTS",
        ("zen.spamhaus.org", "b.barracudacentral.org", "bl.spamcop.net"),
        "zen.spamhaus.org,b.barracudacentral.org,bl.spamcop.net",
        "DNS blocklists that `preflight` looks our address up in, comma separated",
        host_names,
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
    webhook_retry_schedule: tuple[timedelta, ...] = _setting(
        "POSTROOM_WEBHOOK_RETRY_SCHEDULE",
        tuple(map(duration, ("5s", "5m", "30m", "2h", "5h", "10h", "10h"))),
        "5s,5m,30m,2h,5h,10h,10h",
        "delays between attempts to tell a webhook of an event; after the last one the event is given up",
        durations,
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
    test_domain: str | None = _setting(
        "POSTROOM_TEST_DOMAIN",
        None,
        "none; in `dev` postroom.test",
        "domain whose recipients act out an outcome, without any network: `delivered`, `bounced`, `complained`, "
        "`deferred`, `suppressed`",
        domain,
    )
    only_to: OnlyTo | None = _setting(
        "POSTROOM_ONLY_TO",
        None,
        "everybody",
        "for staging: recipients and domains that may be written to, comma separated; all others become `suppressed`",
        OnlyTo.parse,
    )
    function_timeout: timedelta = _setting(
        "POSTROOM_FUNCTION_TIMEOUT",
        timedelta(seconds=780),
        "780s; on AWS 840s",
        "the most a function may take",
        duration,
    )
    lease: timedelta = _setting(
        "POSTROOM_LEASE",
        timedelta(seconds=840),
        "840s; on AWS 870s",
        "how long a claim holds; longer than a function",
        duration,
    )
    sweep_after: timedelta = _setting(
        "POSTROOM_SWEEP_AFTER",
        timedelta(minutes=1),
        "1m; in a cloud 10m",
        "how late a letter must be before the sweep puts it back",
        positive,
    )
    log: str = _setting(
        "POSTROOM_LOG",
        "attempts",
        "attempts; in `dev` errors",
        "`attempts`: a line of JSON for each attempt; `errors`: only what went wrong",
        one_of("attempts", "errors"),
    )
    cache: timedelta = _setting(
        "POSTROOM_CACHE",
        timedelta(seconds=30),
        "30s",
        "how long keys and domains may be remembered; webhooks for 2 s at most",
        duration,
    )
    retention: timedelta = _setting(
        "POSTROOM_RETENTION", timedelta(days=30), "30d", "then a letter and its attempts are erased", positive
    )
    public_url: str | None = _setting(
        "POSTROOM_PUBLIC_URL",
        None,
        "the address it answers on; in links, the request's Host",
        "where the API is found from outside: by links, and by `send` and `show`",
        url,
    )
    return_path_domain: str | None = _setting(
        "POSTROOM_RETURN_PATH_DOMAIN",
        None,
        "the From address",
        "domain of MAIL FROM; its local part then names the letter and is signed, and reports come back to it",
        host_name,
    )
    master_keys: tuple[bytes, ...] = _setting(
        "POSTROOM_MASTER_KEYS",
        (),
        "made on first start; `submit` and `notify` need it in a cloud",
        "keys of signed links, each 32 octets in base64, comma separated: the first signs, all verify",
        master_keys,
        secret=True,
    )
    spf: tuple[str, ...] | None = _setting(
        "POSTROOM_SPF",
        None,
        "`a:` and POSTROOM_HELO, where letters leave by port 25",
        "what the SPF records of sending domains must hold so that our addresses may send, such as `ip4:192.0.2.1` or "
        "`include:spf.relay.example`",
        spf_mechanisms,
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
    rate_limit: int = _setting(
        "POSTROOM_RATE_LIMIT", 0, "0", "requests per second and key, over all processes; 0 is no limit", count
    )
    proxies: int = _setting(
        "POSTROOM_PROXIES",
        0,
        "0; on gcp 1",
        "proxies in front of the API that add their caller's address to X-Forwarded-For; with 0 the client's is the "
        "connection's own, on AWS the one that the gateway tells",
        count,
    )
    bucket: str | None = _setting(
        "POSTROOM_BUCKET", None, "none; needed in a cloud", "bucket of Cloud Storage or S3 for large letters", some
    )
    queues: str | None = _setting(
        "POSTROOM_QUEUES",
        None,
        "none; needed in a cloud",
        "what stands before a traffic class in its queue's name: `projects/P/locations/L/queues/postroom-`, "
        "`https://sqs.R.amazonaws.com/A/postroom-`",
        some,
    )
    project: str | None = _setting("POSTROOM_PROJECT", None, "none; needed on gcp", "project of the database", some)
    database: str = _setting("POSTROOM_DATABASE", "(default)", "(default)", "database of Firestore (gcp)", some)
    deliver_url: str | None = _setting(
        "POSTROOM_DELIVER_URL", None, "none; needed on gcp", "where Cloud Tasks pushes; the audience of its tokens", url
    )
    notify_url: str | None = _setting(
        "POSTROOM_NOTIFY_URL",
        None,
        "none; needed on gcp",
        "where Cloud Tasks pushes what webhooks are told; the audience of its tokens",
        url,
    )
    sweep_url: str | None = _setting(
        "POSTROOM_SWEEP_URL", None, "none; needed on gcp", "where the timer pushes; the audience of its tokens", url
    )
    invoker: str | None = _setting(
        "POSTROOM_INVOKER",
        None,
        "none; needed on gcp",
        "service account, by its address, that tasks are pushed as",
        some,
    )
    token_certificates: str = _setting(
        "POSTROOM_TOKEN_CERTIFICATES", GOOGLE_CERTIFICATES, "Google's", "keys that sign those tokens, a URL (gcp)", url
    )
    tasks_endpoint: str | None = _setting(
        "POSTROOM_TASKS_ENDPOINT",
        None,
        "Google's",
        "where Cloud Tasks answers over REST, such as an emulator (gcp)",
        url,
    )
    table: str | None = _setting("POSTROOM_TABLE", None, "none; needed on aws", "table of DynamoDB", some)
    scheduler_role: str | None = _setting(
        "POSTROOM_SCHEDULER_ROLE", None, "none; needed on aws", "role, by its ARN, in which Scheduler sends tasks", some
    )
    scheduler_group: str | None = _setting(
        "POSTROOM_SCHEDULER_GROUP", None, "none; needed on aws", "EventBridge Scheduler's group for tasks", some
    )
    api_key: str | None = _setting(
        "POSTROOM_API_KEY", None, "none", "the key that `send` and `show` use", some, secret=True
    )

    def secrets(self) -> dict[str, str]:
        """The variables that hand the secrets of a first start on to the processes of the house."""
        made = {
            "POSTROOM_MASTER_KEYS": ",".join(b64encode(each).decode() for each in self.master_keys),
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
            values = {"helo": _own_name(), **_DEFAULTS_IN.get(values.get("cloud", "local"), {}), **values}
            made = cls(**values)
            problems = made._contradictions()
            if not problems:
                return made
        raise SettingsError(problems)

    def _contradictions(self) -> list[str]:
        problems = []
        if self.function_timeout >= self.lease:
            problems.append("POSTROOM_LEASE must be longer than POSTROOM_FUNCTION_TIMEOUT, or two workers could send")
        if self.function_timeout < timedelta(seconds=2):
            problems.append("POSTROOM_FUNCTION_TIMEOUT must be 2s at least: a session needs time to end well")
        longest = _LONGEST_IN.get(self.cloud)
        if longest is not None and self.function_timeout > longest:
            problems.append(f"POSTROOM_FUNCTION_TIMEOUT must be {longest.total_seconds():.0f}s at most on {self.cloud}")
        shape = _QUEUES_IN.get(self.cloud)
        if shape is not None and self.queues is not None and not re.fullmatch(shape, self.queues):
            problems.append(f"POSTROOM_QUEUES: {self.queues!r} is not the beginning of a queue's name on {self.cloud}")
        problems += [
            f"{setting_of(each).variable} must be set where POSTROOM_CLOUD is {self.cloud}"
            for each in fields(self)
            if each.name in _NEEDED_IN.get(self.cloud, ()) and getattr(self, each.name) is None
        ]
        if self.seal_private and not self.seal_public:
            problems.append("POSTROOM_SEAL_PRIVATE opens what is sealed to POSTROOM_SEAL_PUBLIC, which must be set too")
        return problems


_CLOUDS = {"sweep_after": timedelta(minutes=10)}
_DEFAULTS_IN: Mapping[str, Mapping[str, Any]] = {
    "gcp": {**_CLOUDS, "proxies": 1},  # Cloud Run's own front end
    "aws": {**_CLOUDS, "function_timeout": timedelta(seconds=840), "lease": timedelta(seconds=870)},
}
_LONGEST_IN = {"gcp": timedelta(minutes=30), "aws": timedelta(minutes=15)}  # Cloud Tasks' deadline, Lambda's limit
_QUEUES_IN = {
    "gcp": r"projects/[^/]+/locations/[^/]+/queues/[A-Za-z0-9-]*",
    "aws": r"https?://[^/]+/[0-9]+/[A-Za-z0-9_-]*",
}
_NEEDED_IN = {
    "gcp": ("bucket", "queues", "project", "deliver_url", "notify_url", "sweep_url", "invoker"),
    "aws": ("bucket", "queues", "table", "scheduler_role", "scheduler_group"),
}


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
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else None


def _own_name() -> str:
    """The host's own name; an address literal would be as lawful and less welcome (RFC 5321 §4.1.3)."""
    name = socket.gethostname()
    try:
        return host_name(name)
    except ValueError:
        return "localhost"
