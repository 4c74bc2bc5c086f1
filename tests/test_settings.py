"""The settings complain about everything at once, and tell no secret."""

import json
import os
from base64 import b64encode
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner

from postroom import wiring
from postroom.cli import main
from postroom.clouds.local.secrets import load_or_make
from postroom.settings import Settings, SettingsError, from_file


def test_nothing_set_is_the_documented_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings.listen == ("127.0.0.1", 8080)
    assert settings.url == "http://127.0.0.1:8080"
    assert settings.retry_policy.delays[:2] == (timedelta(minutes=1), timedelta(minutes=5))
    assert settings.routes.for_domain("example.org").relay is None
    assert settings.helo


def test_everything_set_is_read() -> None:
    settings = Settings.from_environment(
        {
            "POSTROOM_LISTEN": "[::1]:9000",
            "POSTROOM_RESOLVERS": "192.0.2.1, [2001:db8::1]:5353",
            "POSTROOM_TRUST_AD": "True",
            "POSTROOM_DIAL_ALLOW": "127.0.0.0/8,::1/128",
            "POSTROOM_TIMEOUTS": "final=90s",
            "POSTROOM_RETRY_SCHEDULE": "500ms,2h",
            "POSTROOM_ROUTES": '[[route]]\nvia = "smtps://relay.example.org"',
            "POSTROOM_BLOCKLISTS": "List.example, other.example",
            "POSTROOM_RATE_LIMIT": "5",
            "POSTROOM_PROXIES": " 2 ",
            "POSTROOM_SPF": "ip4:192.0.2.1 include:spf.example.org",
            "POSTROOM_CACHE": "  ",
        }
    )
    assert settings.url == "http://[::1]:9000"
    assert settings.resolvers == (("192.0.2.1", 53), ("2001:db8::1", 5353))
    assert settings.trust_ad
    assert settings.dial_allow == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert (settings.timeouts.final, settings.timeouts.greeting) == (90, 60)
    assert settings.retry_schedule == (timedelta(seconds=0.5), timedelta(hours=2))
    relay = settings.routes.for_domain("example.org").relay
    assert relay is not None
    assert (relay.port, relay.implicit_tls) == (465, True)
    assert settings.blocklists == ("list.example", "other.example")
    assert (settings.rate_limit, settings.proxies) == (5, 2)
    assert settings.spf == ("ip4:192.0.2.1", "include:spf.example.org")
    assert settings.cache == timedelta(seconds=30)


def test_every_problem_is_named_at_once() -> None:
    bad = {
        "POSTROOM_CLOUD": "moon",
        "POSTROOM_LISTEN": "here",
        "POSTROOM_HELO": "a\r\nQUIT",
        "POSTROOM_ROUTES": "[[route]]\ncolour = 'red'",
        "POSTROOM_SMTP_PORT": "0",
        "POSTROOM_RESOLVERS": "ns.example.org",
        "POSTROOM_TRUST_AD": "perhaps",
        "POSTROOM_DIAL_ALLOW": "10.0.0.1/8",
        "POSTROOM_BLOCKLISTS": "list.example, no list",
        "POSTROOM_SPF": "-all",
        "POSTROOM_RETRY_SCHEDULE": "soon",
        "POSTROOM_TIMEOUTS": "lunch=1h",
        "POSTROOM_ON_UNKNOWN": "guess",
        "POSTROOM_TEST_DOMAIN": "*.example.net",
        "POSTROOM_ONLY_TO": "qa@example.com, nobody",
        "POSTROOM_RATE_LIMIT": "-1",
        "POSTROOM_PROXIES": "some",
        "POSTROOM_CA_FILE": "/nowhere.pem",
        "POSTROOM_PUBLIC_URL": "foo",
        "POSTROOM_BOOTSTRAP_KEY": "short",
        "POSTROOM_RETENTION": "0s",
        "POSTROOM_MASTER_KEYS": "c2hvcnQ=",
    }
    with pytest.raises(SettingsError) as error:
        Settings.from_environment(bad)
    assert {problem.partition(":")[0] for problem in error.value.problems} == set(bad)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"POSTROOM_LEASE": "700s"}, "two workers could send"),
        ({"POSTROOM_FUNCTION_TIMEOUT": "1s"}, "2s at least"),
        ({"POSTROOM_CLOUD": "gcp", "POSTROOM_PROJECT": "p"}, "POSTROOM_DELIVER_URL must be set where"),
        ({"POSTROOM_CLOUD": "aws", "POSTROOM_FUNCTION_TIMEOUT": "1000s", "POSTROOM_LEASE": "1h"}, "900s at most"),
        ({"POSTROOM_CLOUD": "aws"}, "POSTROOM_TABLE must be set where POSTROOM_CLOUD is aws"),
        ({"POSTROOM_SEAL_PRIVATE": "x"}, "must be set too"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment(given)


AWS = {
    "POSTROOM_CLOUD": "aws",
    "POSTROOM_QUEUES": "https://sqs.eu-central-1.amazonaws.com/123456789012/postroom-",
    **{f"POSTROOM_{name}": "x" for name in ("BUCKET", "TABLE", "SCHEDULER_ROLE", "SCHEDULER_GROUP")},
}


def test_queues_are_named_as_their_cloud_names_them() -> None:
    with pytest.raises(SettingsError, match="not the beginning of a queue's name on aws"):
        Settings.from_environment(AWS | {"POSTROOM_QUEUES": "postroom-"})


def test_a_cloud_has_defaults_of_its_own() -> None:
    settings = Settings.from_environment(AWS)
    assert (settings.function_timeout, settings.lease, settings.sweep_after) == (
        timedelta(seconds=840),
        timedelta(seconds=870),
        timedelta(minutes=10),
    )


def test_no_secret_is_shown() -> None:
    settings = Settings.from_environment({"POSTROOM_BOOTSTRAP_KEY": "pr_secret_secret", "POSTROOM_API_KEY": "pr_other"})
    assert "pr_" not in repr(settings)


def test_a_file_names_settings_without_their_prefix(tmp_path: Path) -> None:
    path = tmp_path / "postroom.toml"
    path.write_text('listen = "127.0.0.1:9000"\nretry_schedule = "1m"\n')
    assert from_file(path) == {"POSTROOM_LISTEN": "127.0.0.1:9000", "POSTROOM_RETRY_SCHEDULE": "1m"}
    path.write_text('smtp_port = 2525\nretry_schedule = ["1m", "5m"]\n')
    assert from_file(path) == {"POSTROOM_SMTP_PORT": "2525", "POSTROOM_RETRY_SCHEDULE": "1m,5m"}
    path.write_text("trust_ad = true\n")
    assert from_file(path) == {"POSTROOM_TRUST_AD": "true"}
    path.write_text('listen = 2026-01-01\nlisten_on = "x"\n')
    with pytest.raises(SettingsError) as error:
        from_file(path)
    assert len(error.value.problems) == 2


def test_a_flag_beats_the_environment() -> None:
    done = CliRunner().invoke(main, ["config", "--smtp-port", "2525"], env={"POSTROOM_SMTP_PORT": "25"})
    assert "POSTROOM_SMTP_PORT=2525" in done.output.splitlines()


def test_links_can_be_signed_by_several_keys_and_an_error_tells_none_of_them() -> None:
    one, other = b64encode(b"1" * 32).decode(), b64encode(b"2" * 32).decode()
    settings = Settings.from_environment({"POSTROOM_MASTER_KEYS": f"{one}, {other}"})
    assert settings.master_keys == (b"1" * 32, b"2" * 32)
    assert settings.secrets()["POSTROOM_MASTER_KEYS"] == f"{one},{other}"
    assert "1111" not in repr(settings)
    with pytest.raises(SettingsError) as error:
        Settings.from_environment({"POSTROOM_MASTER_KEYS": f"{one},{other[:-4]}"})
    assert "openssl rand -base64 32" in str(error.value)
    assert other[:8] not in str(error.value)


def test_the_api_does_not_start_without_a_key_to_sign_links_with() -> None:
    with pytest.raises(SettingsError, match="POSTROOM_MASTER_KEYS must be set"):
        wiring.submit_app(Settings.from_environment({}))


def test_what_an_earlier_start_made_is_kept_and_what_it_did_not_know_is_made(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secrets.json"
    first = load_or_make(path.parent, os.urandom)
    assert load_or_make(path.parent, os.urandom) == first
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(json.dumps({name: each for name, each in first.items() if name != "POSTROOM_MASTER_KEYS"}))
    second = load_or_make(path.parent, os.urandom)
    assert {name for name in first if first[name] != second[name]} == {"POSTROOM_MASTER_KEYS"}
    assert load_or_make(path.parent, os.urandom) == second
