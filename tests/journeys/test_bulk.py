"""A bulk run from one template, with kills in the middle: every recipient gets his letter, and is accounted for."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from postroom.bulk.ledger import MOST
from tests.journeys.bulk import TEMPLATE, Run, publish
from tests.journeys.deployments import CHOSEN, HOMES
from tests.journeys.destination import Destination, Received
from tests.journeys.office import Office, eventually
from tests.journeys.processes import kill, processes_of

LETTERS = {"local": 10_000, "gcp": 300, "aws": 60}
"""In each home. The clouds are played by emulators on this one machine, of which moto is the slowest."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of a house in /proc")


@pytest.fixture(params=CHOSEN)
def run(request: pytest.FixtureRequest, destination: Destination, tmp_path: Path) -> Iterator[Run]:
    with HOMES[request.param]() as place:
        office = Office(tmp_path / "data", destination.port, place)
        office.start(output=subprocess.DEVNULL)
        bulk = Run(office, tmp_path / "customers.csv", LETTERS[request.param])
        bulk.prepare()
        yield bulk
        office.stop()


@pytest.mark.timeout(180)
def test_every_recipient_is_accounted_for(
    run: Run, destination: Destination, capsys: pytest.CaptureFixture[str]
) -> None:
    began = monotonic()
    with run.started() as first:
        eventually(lambda: run.office.request("GET", "/emails?limit=1")[1]["data"] != [], 30)
        first.send_signal(signal.SIGKILL)
    # A function under way ends the batch that it has begun with, so where there is but one all may be accepted by now.
    assert run.letters <= MOST or not run.accepted_last()
    with run.started() as second:
        eventually(lambda: len(destination.letters) > run.letters / 4, 60)
        kill_the_house(run.office)
        told, complaints = second.communicate()
        assert second.returncode == 0, complaints
    took = monotonic() - began
    assert "what was accepted isn't sent twice" in complaints
    summary = json.loads(told)
    assert summary["rows"] == summary["accepted"] == run.letters
    assert summary["outcomes"] == {"delivered": run.letters}

    arrived = Counter((letter.rcpt_tos, id_of(letter)) for letter in destination.letters)
    assert sorted(to for recipients, _ in arrived for to in recipients) == sorted(run.recipients)
    twice = [id_ for (_, id_), times in arrived.items() if times > 1]
    for id_ in twice:
        # Lawful only where a worker died at work, and then it is said.
        assert run.office.email(id_)["recipients"][0]["possibly_delivered"], id_
    for letter in destination.letters:
        number = letter.rcpt_tos[0].removeprefix("r").partition("@")[0]
        assert f"Subject: Welcome, N{number}\r\n".encode() in letter.content
        assert f"Hello N{number}, your number is {number}, welcome.".encode() in letter.content
    with capsys.disabled():
        print(f"\n{run.office.place.home}: {run.letters} letters in {took:.0f} s, {len(twice)} sent twice")


def id_of(letter: Received) -> str:
    return letter.content.split(b"Message-ID: <", 1)[1].split(b"@", 1)[0].decode()


def kill_the_house(office: Office) -> None:
    """SIGKILL for all of its processes, which are started again: here by hand, elsewhere by what plays the cloud."""
    if office.place.home != "local":
        kill(office.folder, "submit")
        return
    for pid in processes_of(office.folder):
        os.kill(pid, signal.SIGKILL)
    assert office.process is not None
    office.process.wait()
    office.start(output=subprocess.DEVNULL)


def test_the_summary_tells_what_became_of_each(office: Office, destination: Destination, tmp_path: Path) -> None:
    destination.rcpt["gone@bulk.example.net"].append("550 5.1.1 no such user")
    template = {**TEMPLATE, "alias": f"in-{office.place.home}", "html": "<p>{{ first_name }} in {{ city }}</p>"}
    publish(office, template)
    customers, errors = tmp_path / "customers.csv", tmp_path / "errors.csv"
    customers.write_text(
        "email,name,first_name,number,city\n"
        'there@bulk.example.net,"Doe, Jane",Jane,1,"Zürich\nHB"\n'
        "gone@bulk.example.net,,Joe,2.50,Ulm\n"
        "suppressed@postroom.test,,Jim,3,Ulm\n"
        "nowhere@bulk.example.net,,Jo,4,\n",
        "utf-8",
    )
    command = ["send", "--csv", str(customers), "--template", str(template["alias"]), "--errors", str(errors)]
    command += ["--unsubscribe", "--yes"]
    done = office.try_to_run(*command, "--json", "--tag", "kind=test")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["rows"], told["accepted"], told["refused"]) == (4, 3, 1)
    assert told["outcomes"] == {"delivered": 1, "bounced": 1, "suppressed": 1}
    assert told["causes"] == {"bounced": {"no_such_mailbox": 1}, "suppressed": {"test_recipient": 1}}
    assert "line 6, nowhere@bulk.example.net: " in done.stderr
    with errors.open(encoding="utf-8", newline="") as file:
        (refused,) = csv.DictReader(file)
    assert (refused["email"], refused["number"]) == ("nowhere@bulk.example.net", "4")
    assert refused["postroom-error"].startswith("line 6: ")
    (letter,) = destination.letters_to("there@bulk.example.net")
    assert b'To: "Doe, Jane" <there@bulk.example.net>' in letter.content
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in letter.content

    again = json.loads(office.try_to_run(*command, "--json", "--tag", "kind=test").stdout)
    assert again == told
    assert len(destination.letters_to("there@bulk.example.net")) == 1
    later = json.loads(office.try_to_run("report", "--campaign", told["campaign"], "--json").stdout)
    assert (later["outcomes"], later["causes"]) == (told["outcomes"], told["causes"])

    token = json.loads(office.run("keys", "create", "--json", "--permission", "sending_access"))["token"]
    office.settings["POSTROOM_API_KEY"] = token
    try:
        sent = office.try_to_run(*command, "--number", "number", "--campaign", f"sending-{office.place.home}")
    finally:
        del office.settings["POSTROOM_API_KEY"]
    assert "This key may send and nothing else" in sent.stderr
    assert "3  accepted" in sent.stdout
