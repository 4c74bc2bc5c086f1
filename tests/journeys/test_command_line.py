"""`postroom keys`, `send`, `show` and `config`, as an operator types them."""

import json
import subprocess
from pathlib import Path

from tests.journeys.deployments import COMMAND
from tests.journeys.destination import Destination
from tests.journeys.office import Office, clean_environment, eventually


def test_a_key_lives_from_create_to_revoke(office: Office) -> None:
    made = json.loads(office.run("keys", "create", "--json", "--name", "shop"))
    assert office.request("GET", "/emails", key=made["token"])[0] == 200
    assert made["id"] in office.run("keys", "list")
    assert made["token"] not in office.run("keys", "list")
    office.run("keys", "revoke", made["id"])

    def refused() -> bool:
        status, answer = office.request("GET", "/emails", key=made["token"])
        return (status, answer.get("name")) == (403, "invalid_api_key")

    eventually(refused)


def test_a_sending_key_reads_nothing(office: Office) -> None:
    token = json.loads(office.run("keys", "create", "--json", "--permission", "sending_access"))["token"]
    letter = {"from": "a@example.org", "to": "b@example.net", "subject": "x", "text": "x"}
    assert office.request("POST", "/emails", letter, key=token)[0] == 200
    status, answer = office.request("GET", "/emails", key=token)
    assert (status, answer["name"]) == (401, "restricted_api_key")


def test_send_waits_and_show_prints_the_conversation(office: Office, destination: Destination, folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("remember\n")
    printed = office.run(
        "send", "--from", "alice@example.org", "--to", "bob@cli.example.net", "--subject", "Grüße", "--text", "-",
        "--attach", str(folder / "notes.txt"), "--wait", text="from the pipe\n",
    )  # fmt: skip
    id_ = printed.split()[0]
    shown = office.run("show", id_)
    for expected in (id_, "bob@cli.example.net", "delivered", "S 220 mx.example.net", "C DATA", "S 250 2.0.0 taken"):
        assert expected in shown
        assert expected in printed
    assert json.loads(office.run("show", id_, "--json"))["attempts"][0]["outcome"] == "accepted"
    (letter,) = destination.letters_to("bob@cli.example.net")
    assert b"from the pipe" in letter.content
    assert b'filename="notes.txt"' in letter.content or b"filename=notes.txt" in letter.content


def test_send_may_send_later(office: Office) -> None:
    id_ = office.run(
        "send", "--from", "a@example.org", "--to", "bob@cli.example.net", "--text", "x", "--at", "in 1 hour"
    ).strip()
    assert office.email(id_)["last_event"] == "scheduled"
    done = office.try_to_run("send", "--from", "a@example.org", "--to", "b@example.net", "--text", "x", "--at", "soon")
    assert done.returncode == 1
    assert "Invalid `scheduled_at` field: it can't be read as a moment" in done.stderr


def test_a_domains_key_is_not_replaced_by_the_way(office: Office) -> None:
    first = office.run("domains", "add", "twice.example.org").splitlines()[-1]
    done = office.try_to_run("domains", "add", "TWICE.example.org")
    assert done.returncode == 1
    assert "has a key under the selector 'postroom' already" in done.stderr
    assert office.run("domains", "show", "twice.example.org").strip() == first
    second = office.run("domains", "add", "twice.example.org", "--selector", "next").splitlines()
    assert [line.split(".")[0] for line in second[-2:]] == ["postroom", "next"]
    assert "'no domain' can't be a sending domain" in office.try_to_run("domains", "add", "no domain").stderr


def test_send_tells_by_its_exit_status_what_became_of_the_letter(office: Office, destination: Destination) -> None:
    destination.rcpt["nobody@cli.example.net"].append("550 5.1.1 no such user")
    letter = ("send", "--from", "a@example.org", "--to", "nobody@cli.example.net", "--text", "x", "--wait")
    done = office.try_to_run(*letter)
    assert done.returncode == 1
    assert "550 5.1.1 no such user" in done.stdout


def test_config_names_every_problem_at_once(office: Office) -> None:
    bad = {"POSTROOM_SMTP_PORT": "99999", "POSTROOM_LEASE": "soon", "POSTROOM_ROUTES": "/nowhere.toml"}
    done = subprocess.run(
        [*COMMAND, "config"], env={**clean_environment(), **bad}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    for variable in bad:
        assert variable in done.stderr
    assert "POSTROOM_BOOTSTRAP_KEY=(set)" in office.run("config")
