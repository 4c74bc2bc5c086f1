"""Nobody is written to against their will: who bounced, who complained, whom the settings rule out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import resend

from tests.journeys.deployments import Home
from tests.journeys.destination import Destination
from tests.journeys.office import KEY, Office, eventually


def test_who_is_not_there_is_written_to_once_until_the_address_is_taken_off_the_list(
    office: Office, destination: Destination
) -> None:
    nobody, there = "Nobody@gone.example.net", "there@gone.example.net"
    entry = f"/suppressions/{quote(nobody, safe='')}"
    destination.rcpt[nobody].append("550 5.1.1 no such user here")
    first = office.send(nobody)
    office.wait_for(first, "bounced")
    eventually(lambda: office.request("GET", entry)[0] == 200)
    listed = office.request("GET", entry)[1]
    assert (listed["email"], listed["origin"], listed["source_id"]) == (nobody.lower(), "bounce", first)

    sessions = destination.sessions
    second = office.send(nobody)
    email = office.wait_for(second, "suppressed")
    (recipient,) = email["recipients"]
    assert (recipient["cause"], recipient["attempts"], recipient["code"]) == ("bounce", 0, None)
    assert email["last_event"] == "suppressed"
    assert office.attempts(second) == []
    assert destination.sessions == sessions, "nobody was dialled"

    third = office.send([nobody, there])
    office.wait_for(third, "suppressed", "delivered")
    assert destination.letters_to(nobody) == []

    assert office.request("DELETE", entry)[1] == {"object": "suppression", "id": listed["id"], "deleted": True}
    office.wait_for(office.send(nobody), "delivered")
    assert len(destination.letters_to(nobody)) == 1


def test_recipients_of_the_test_domain_act_and_nobody_is_dialled(office: Office, destination: Destination) -> None:
    sessions = destination.sessions
    expires_at = datetime.now(UTC) + timedelta(seconds=10)  # or it would be deferred for days
    id_ = office.send(
        ["delivered@postroom.test", "bounced+1@postroom.test", "suppressed@postroom.test"],
        cc="complained@postroom.test",
        bcc=["deferred@postroom.test", "nobody@postroom.test"],
        delivery={"expires_at": expires_at.isoformat()},
    )
    eventually(lambda: bool(office.email(id_)["recipients"][4]["attempts"] > 1))
    *others, deferred, nobody = office.email(id_)["recipients"]
    assert [each["status"] for each in others] == ["delivered", "bounced", "suppressed", "complained"]
    assert (nobody["kind"], nobody["status"], nobody["attempts"]) == ("bcc", "bounced", 1)
    assert (deferred["kind"], deferred["code"], deferred["cause"]) == ("bcc", 451, "unavailable")
    first, second, *_ = office.attempts(id_)
    assert second["outcome"] == "deferred"
    assert (first["outcome"], first["destination"], first["mx"]) == ("accepted", "postroom.test", "postroom.test")
    assert "Acted out" in first["note"]
    assert {"from": "client", "line": "RCPT TO:<delivered@postroom.test>"} in [
        {name: line[name] for name in ("from", "line")} for line in first["transcript"]
    ]
    assert destination.sessions == sessions
    complaint = office.request("GET", "/suppressions?origin=complaint")[1]["data"][0]
    assert (complaint["email"], complaint["source_id"]) == ("complained@postroom.test", id_)
    assert office.request("GET", f"/suppressions/{quote('bounced+1@postroom.test', safe='')}")[0] == 404


def test_a_letter_to_the_test_domain_and_to_others_goes_to_the_others(office: Office, destination: Destination) -> None:
    id_ = office.send(["bob@mixed.example.net", "delivered@postroom.test"], delivery={"route": "here"})
    office.wait_for(id_, "delivered", "delivered")
    ((rcpt_tos,),) = [[letter.rcpt_tos for letter in destination.letters]]
    assert rcpt_tos == ("bob@mixed.example.net",)


def test_resends_client_keeps_the_list(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", f"http://127.0.0.1:{office.port}")
    monkeypatch.setattr(resend, "api_key", KEY)
    added = resend.Suppressions.add({"email": "Optout@client.example.net"})
    assert added["object"] == "suppression"
    assert resend.Suppressions.add({"email": "optout@client.example.net"})["id"] == added["id"]
    found = resend.Suppressions.get("OPTOUT@client.example.net")
    assert (found["id"], found["origin"], found["source_id"]) == (added["id"], "manual", None)
    listed = resend.Suppressions.list({"origin": "manual", "limit": 1})
    assert [each["email"] for each in listed["data"]] == ["optout@client.example.net"]
    batch = resend.Suppressions.Batch.add({"emails": ["a@client.example.net", "b@client.example.net"]})
    a, b = (each["id"] for each in batch["data"])
    id_ = office.send(["a@client.example.net", "optout@client.example.net"])
    office.wait_for(id_, "suppressed", "suppressed")
    assert resend.Emails.get(id_)["last_event"] == "suppressed"
    removed = resend.Suppressions.Batch.remove({"ids": [a]})
    assert [(each["id"], each["deleted"]) for each in removed["data"]] == [(a, True)]
    removed = resend.Suppressions.Batch.remove({"emails": ["a@client.example.net", "b@client.example.net"]})
    assert [each["id"] for each in removed["data"]] == [b]
    assert resend.Suppressions.remove(added["id"])["deleted"] is True
    with pytest.raises(resend.exceptions.ResendError, match="no suppression with this id or e-mail address"):
        resend.Suppressions.get("optout@client.example.net")


@pytest.fixture
def staging(home: Home, destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A house that may write to few."""
    with home() as place:
        house = Office(
            tmp_path_factory.mktemp("staging"),
            destination.port,
            place,
            POSTROOM_ONLY_TO="QA@example.com, staff.example.net",
            POSTROOM_TEST_DOMAIN="postroom.test",
        )
        house.start()
        yield house
        assert house.stop() == 0


def test_a_staging_house_writes_to_nobody_else(staging: Office, destination: Destination) -> None:
    id_ = staging.send(
        ["qa@example.com", "customer@example.org"],
        cc="anybody@staff.example.net",
        bcc=["customer@example.com", "delivered@postroom.test"],
    )
    email = staging.wait_for(id_, "delivered", "suppressed", "delivered", "suppressed", "delivered")
    assert [each["cause"] for each in email["recipients"]] == [None, "only_to", None, "only_to", None]
    rcpt_tos = {recipient for letter in destination.letters for recipient in letter.rcpt_tos}
    assert rcpt_tos == {"qa@example.com", "anybody@staff.example.net"}
    alone = staging.send("customer@example.org", delivery={"route": "here"})
    assert staging.statuses(alone) == {"customer@example.org": "suppressed"}, "it is known as it is accepted"
    assert staging.attempts(alone) == []
