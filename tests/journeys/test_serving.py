"""`postroom serve`: what it tells, whom it tells its secrets, and where it listens."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.clouds.local.database import Database
from tests.journeys.deployments import COMMAND
from tests.journeys.destination import Destination
from tests.journeys.office import Office, clean_environment, eventually
from tests.journeys.processes import processes_of, variables_of

SECRETS = {"POSTROOM_SEAL_PRIVATE", "POSTROOM_MASTER_KEYS", "POSTROOM_TASK_SECRET", "POSTROOM_BOOTSTRAP_KEY"}


@pytest.fixture(scope="module")
def local_office(destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A house on one machine."""
    house = Office(tmp_path_factory.mktemp("serving"), destination.port)
    house.start()
    yield house
    assert house.stop() == 0


def test_each_attempt_is_a_line_of_json(folder: Path, destination: Destination) -> None:
    office = Office(folder, destination.port)
    destination.rcpt["nobody@log.example.net"].append("550 5.1.1 no such user")
    command = [*COMMAND, "serve"]
    with subprocess.Popen(command, env=office.environment, stdout=subprocess.PIPE, text=True) as process:
        office.wait_until_ready()
        office.wait_for(office.send("bob@log.example.net"), "delivered")
        office.wait_for(office.send("nobody@log.example.net"), "bounced")
        process.terminate()
        printed = process.communicate(timeout=30)[0].splitlines()
    lines = [json.loads(line) for line in printed if line.startswith("{")]
    assert [(line["severity"], line["outcome"]) for line in lines] == [("INFO", "accepted"), ("WARNING", "refused")]
    assert printed[0].startswith("postroom answers on http://127.0.0.1:")
    assert printed[-1] == "postroom has stopped"


def test_a_process_knows_no_more_secrets_than_it_needs(local_office: Office) -> None:
    # The dispatcher begins once the worker listens.
    eventually(lambda: "dispatcher" in processes_of(local_office.folder).values())
    told: dict[str, set[str]] = {}
    for pid, part in processes_of(local_office.folder).items():
        if part != "supervisor":
            told.setdefault(part, set()).update(variables_of(pid) & SECRETS)
    assert told == {
        "submit": {"POSTROOM_BOOTSTRAP_KEY", "POSTROOM_MASTER_KEYS"},
        "deliver": {"POSTROOM_SEAL_PRIVATE", "POSTROOM_TASK_SECRET"},
        "notify": {"POSTROOM_MASTER_KEYS", "POSTROOM_TASK_SECRET"},
        "sweep": {"POSTROOM_TASK_SECRET"},
        "dispatcher": {"POSTROOM_TASK_SECRET"},
    }


def test_only_the_hash_of_a_key_is_stored(local_office: Office) -> None:
    token = json.loads(local_office.run("keys", "create", "--json"))["token"]
    for file in local_office.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert token.encode() not in file.read_bytes(), file


def test_a_process_ends_even_if_its_supervisor_died_before_it_began(folder: Path) -> None:
    born_and_left = (
        "import os; from postroom.house.supervisor import Child;"
        "arguments = ('dispatcher', 'http://127.0.0.1:1/', '1', 'http://127.0.0.1:1/');"
        "Child('dispatcher', arguments, os.environ).start(); os._exit(0)"
    )
    Database(folder).prepare()
    variables = {**clean_environment(), "POSTROOM_DATA": str(folder)}
    subprocess.run([sys.executable, "-c", born_and_left], env=variables, check=True)
    eventually(lambda: not processes_of(folder), 10, lambda: f"still running: {processes_of(folder)}")


def test_it_listens_on_ipv6_too(folder: Path, destination: Destination) -> None:
    office = Office(folder, destination.port)
    office.settings["POSTROOM_LISTEN"] = f"[::1]:{office.port}"
    office.host = "::1"
    office.start()
    try:
        office.wait_for(office.send("bob@six.example.net"), "delivered")
    finally:
        assert office.stop() == 0


@pytest.mark.parametrize(
    ("listen", "said"),
    [("nowhere.invalid:8080", "Can't listen on nowhere.invalid:8080"), ("http://127.0.0.1:1", "is not host:port")],
)
def test_an_address_that_cannot_be_listened_at_is_said_at_once(folder: Path, listen: str, said: str) -> None:
    command = [*COMMAND, "serve", "--data", str(folder), "--listen", listen]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
