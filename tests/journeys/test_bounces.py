"""What comes back: a report goes the way that a user's inbound service sends it, and its recipient moves."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.doubles.reports import bounce, complaint
from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually
from tests.journeys.test_domains import Zone, taken, verified

RAW = {"Content-Type": "message/rfc822"}


def reported(office: Office, report: bytes, query: str = "") -> Any:
    """The answer, once nobody is at the letter."""
    answers: list[Any] = []

    def taken_in() -> bool:
        status, answer = office.request("POST", f"/bounces{query}", report, RAW)
        answers.append(answer)
        assert status in (200, 503), answer
        return status == 200

    eventually(taken_in)
    return answers[-1]


def origin(office: Office, address: str) -> str | None:
    """What brought it onto the suppression list."""
    return office.request("GET", f"/suppressions/{quote(address, safe='')}")[1].get("origin")  # type: ignore[no-any-return]


def test_a_bounce_comes_back_to_the_signed_return_path_and_the_address_is_written_to_no_more(
    office: Office, destination: Destination
) -> None:
    gone, there = "gone@returned.example.net", "there@returned.example.net"
    id_ = office.send([gone, there])
    office.wait_for(id_, "delivered", "delivered")
    (letter,) = destination.letters_to(gone)
    assert letter.mail_from.endswith("@returns.example.org")
    report = bounce(letter.mail_from.upper(), gone)  # somebody on the way has shouted
    answer = reported(office, report)
    assert (answer["outcome"], answer["email_id"], answer["signed"]) == ("read", id_, True)
    assert reported(office, report) == answer
    assert office.statuses(id_) == {gone: "bounced", there: "delivered"}
    assert office.email(id_)["last_event"] == "bounced"
    assert origin(office, gone) == "bounce"
    again = office.send([gone, there])
    office.wait_for(again, "suppressed", "delivered")
    assert len(destination.letters_to(gone)) == 1


def test_a_forged_bounce_changes_nothing(office: Office, destination: Destination) -> None:
    ann = "ann@forged.example.net"
    id_ = office.send(ann)
    office.wait_for(id_, "delivered")
    (letter,) = destination.letters_to(ann)
    local, _, domain = letter.mail_from.partition("@")
    last = "a" if local[-1] != "a" else "b"
    before = office.email(id_)
    for to, outcome in ((f"{local[:-1]}{last}@{domain}", "forged"), ("hello@example.org", "unsigned")):
        headers = f"Message-ID: <{id_}@example.org>\r\n"
        assert reported(office, bounce(to, ann, headers=headers))["outcome"] == outcome
        assert reported(office, complaint(to, ann))["outcome"] in (outcome, "unknown_email")
    assert office.email(id_) == before
    assert origin(office, ann) is None


def test_a_complaint_is_the_end_of_writing_to_somebody(office: Office, destination: Destination) -> None:
    carl = "carl@annoyed.example.net"
    id_ = office.send(carl)
    office.wait_for(id_, "delivered")
    (letter,) = destination.letters_to(carl)
    reported(office, complaint("fbl@example.org", carl), f"?recipient={quote(letter.mail_from)}")
    assert office.statuses(id_) == {carl: "complained"}
    assert office.email(id_)["last_event"] == "complained"
    assert origin(office, carl) == "complaint"


def test_a_domain_with_a_return_path_of_its_own_gets_its_reports_there(
    office: Office, destination: Destination, zone: Zone
) -> None:
    dora = "dora@own.example.net"
    domain = verified(office, zone, "own.example.org", custom_return_path="send")
    (exchanger,) = [each for each in domain["records"] if each["type"] == "MX"]
    assert (exchanger["name"], exchanger["value"]) == ("send.own.example.org", "inbound.example.org")
    assert exchanger["status"] == "verified"
    mail_from = ""

    def from_there() -> bool:
        nonlocal mail_from
        office.wait_for(taken(office, "shop@own.example.org", dora), "delivered")
        mail_from = destination.letters_to(dora)[-1].mail_from
        return mail_from.endswith("@send.own.example.org")

    eventually(from_there)
    answer = reported(office, bounce(mail_from, dora, status="5.2.2"))
    assert (answer["signed"], answer["recipients"][0]["status"]) == (True, "bounced")
    assert office.email(answer["email_id"])["recipients"][0]["cause"] == "mailbox_full"
    assert origin(office, dora) is None, "a full mailbox is emptied some day"
    elsewhere = mail_from.replace("send.own.example.org", "returns.example.org")
    assert reported(office, bounce(elsewhere, dora))["outcome"] == "forged", "a signature is for one domain"
