"""`postroom domains`, as an operator types it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postroom.cli import main
from postroom.message.dkim import new_key
from tests.doubles.names import names


class Desk:
    def __init__(self, folder: Path, resolver: str, zone: dict[tuple[str, str], Sequence[str]]) -> None:
        self.folder = folder
        self.zone = zone
        self._environment = {
            "POSTROOM_DATA": str(folder / "data"),
            "POSTROOM_RESOLVERS": resolver,
            "POSTROOM_HELO": "mail.example.org",
            "POSTROOM_TEST_DOMAIN": "postroom.test",
        }

    def tried(self, *arguments: str) -> Result:
        return CliRunner(env=self._environment).invoke(main, ["domains", *arguments])

    def run(self, *arguments: str) -> list[str]:
        done = self.tried(*arguments)
        assert done.exit_code == 0, done.output
        return done.output.splitlines()

    def add(self, name: str, *arguments: str) -> str:
        """The line of its newest key."""
        (self.folder / "key.pem").write_bytes(new_key("ed25519"))
        return self.run("add", name, "--key", str(self.folder / "key.pem"), *arguments)[-1]

    def publish(self, line: str) -> None:
        name, _, record = line.partition("  ")
        self.zone[f"{name}.", "TXT"] = [" ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    zone: dict[tuple[str, str], Sequence[str]] = {}
    with names(zone) as resolver:
        yield Desk(tmp_path, resolver, zone)


def test_a_domain_that_is_vouched_for_is_verified_rotated_and_removed(desk: Desk) -> None:
    old = desk.add("Shop.example")
    assert old.startswith("postroom._domainkey.shop.example  v=DKIM1; k=ed25519; p=")
    assert desk.run("show", "SHOP.example") == [old]
    assert desk.run("list") == ["shop.example  verified  postroom"]
    desk.publish(old)
    told = desk.run("verify", "shop.example")
    assert told[:3] == [
        "verified           DKIM  TXT  postroom._domainkey.shop.example",
        "pending            SPF   TXT  shop.example (no SPF record is published there)",
        f"{'':18} publish v=spf1 a:mail.example.org ~all",
    ]
    assert told[-1] == "shop.example is verified: letters from it are taken"
    rotating = desk.run("rotate", "shop.example", "--ed25519")
    assert [line.partition(";")[2].partition(";")[0] for line in rotating[-2:]] == [" k=rsa", " k=ed25519"]
    for line in rotating[-2:]:
        desk.publish(line)
    desk.run("verify", "shop.example")
    assert desk.run("show", "shop.example") == rotating[-2:]
    desk.zone.clear()
    done = desk.tried("verify", "shop.example")
    assert done.exit_code == 1
    assert "(nothing is published there)" in done.output
    assert done.output.splitlines()[-1] == (
        "shop.example is failed: letters from it are refused until one of its keys is published"
    )
    assert desk.run("list")[0].startswith("shop.example  not verified  ")
    assert desk.run("remove", "shop.example") == ["no more letters from shop.example are taken"]
    assert desk.run("list") == []
    assert desk.add("shop.example") != old


@pytest.mark.parametrize("command", ["show", "verify", "rotate", "remove"])
def test_a_domain_that_is_not_there_is_told_of(desk: Desk, command: str) -> None:
    done = desk.tried(command, "nobody.example")
    assert done.exit_code == 1
    assert "nobody.example is not a sending domain here; `postroom domains list` names them" in done.output
    assert "'no domain' can't be a sending domain" in desk.tried(command, "no domain").output


def test_nobody_sends_from_the_test_domain(desk: Desk) -> None:
    done = desk.tried("add", "postroom.test")
    assert done.exit_code == 1
    assert "postroom.test can't be a sending domain: it is there for test recipients" in done.output
