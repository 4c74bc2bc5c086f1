"""`postroom webhooks`, as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from postroom.cli import main

HOOK = "https://shop.example/hook"


class Desk:
    def __init__(self, folder: Path) -> None:
        self._environment = {"POSTROOM_DATA": str(folder / "data"), "POSTROOM_HELO": "mail.example.org"}

    def tried(self, *arguments: str) -> Result:
        return CliRunner(env=self._environment).invoke(main, ["webhooks", *arguments])

    def run(self, *arguments: str) -> str:
        done = self.tried(*arguments)
        assert done.exit_code == 0, done.output
        return done.output

    def refused(self, *arguments: str) -> str:
        done = self.tried(*arguments)
        assert done.exit_code == 1, done.output
        return done.output


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_webhook_lives_from_making_to_deleting(desk: Desk) -> None:
    made = json.loads(desk.run("create", HOOK, "--event", "email.bounced", "--event", "webhook.disabled", "--json"))
    assert made["signing_secret"].startswith("whsec_")
    listed = desk.run("list")
    assert f"{made['id']}  enabled " in listed
    assert listed.splitlines()[1].strip() == "email.bounced, webhook.disabled"
    assert made["signing_secret"] not in listed
    event, type_ = desk.run("test", made["id"]).split()
    assert (len(event), type_) == (36, "email.bounced")
    assert desk.run("test", made["id"], "--type", "webhook.disabled").split()[1] == "webhook.disabled"
    rotated = desk.run("rotate", made["id"]).strip()
    assert rotated.startswith("whsec_")
    assert rotated != made["signing_secret"]
    assert desk.run("delete", made["id"]) == f"deleted {made['id']}\n"
    assert desk.run("list") == ""


def test_without_types_it_is_told_all_about_letters(desk: Desk) -> None:
    made = json.loads(desk.run("create", HOOK, "--json"))
    assert set(made["events"]) > {"email.delivered", "email.bounced", "email.complained"}
    assert all(each.startswith("email.") for each in made["events"])


def test_credentials_of_an_endpoint_are_not_listed(desk: Desk) -> None:
    desk.run("create", "https://shop:secret@shop.example/hook")
    assert "https://shop.example/hook" in desk.run("list")
    assert "secret" not in desk.run("list")


def test_what_cannot_be_is_refused_with_a_sentence(desk: Desk) -> None:
    id_ = json.loads(desk.run("create", HOOK, "--event", "email.opened", "--json"))["id"]
    assert "email.lost" in desk.refused("create", HOOK, "--event", "email.lost")
    assert "is not a URL" in desk.refused("create", "shop.example")
    assert "none of the types" in desk.refused("test", id_)
    for command in ("test", "rotate", "delete"):
        assert "no webhook with the id nobody" in desk.refused(command, "nobody")
    assert "POSTROOM_DIAL_ALLOW" in desk.run("create", "http://127.0.0.1:3000/hook")


def test_of_an_address_that_no_post_would_go_to_that_is_said(desk: Desk) -> None:
    assert "169.254.169.254 is not a public address" in desk.run("create", "https://169.254.169.254/latest")
    assert "told nothing" not in desk.run("create", HOOK)
