"""`POST /bounces`: what comes back moves its recipient, and what is forged moves nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from postroom.account.verp import ReturnPaths
from postroom.delivery.parcel import Lease
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status
from tests.api.office import FULL, SENDING, Office, problem
from tests.doubles.reports import bounce, complaint

DOMAIN = "bounces.shop.example"


@pytest.fixture
def office() -> Office:
    return Office(return_path_domain=DOMAIN)


def delivered(office: Office, status: Status = Status.DELIVERED, **members: Any) -> str:
    """The id of a letter that was taken by a server, or in another state."""
    id_ = office.send(**members)
    stored = office.submissions.stored[id_]
    for parcel in stored.parcels:
        recipients = tuple(
            replace(each, status=status, attempts=1, code=250, next_attempt_at=None) for each in parcel.recipients
        )
        assert office.submissions.change(replace(parcel, recipients=recipients, claim=1, next_attempt_at=None))
    return id_


def return_path(office: Office, id_: str) -> str:
    return office.submissions.stored[id_].return_path


def post(office: Office, octets: bytes, query: str = "", token: str = FULL, **headers: str) -> TestResponse:
    shown = {"Authorization": f"Bearer {token}", "Content-Type": "message/rfc822", **headers}
    return office.client.post(f"/bounces{query}", data=octets, headers=shown)


def told(office: Office, octets: bytes, query: str = "") -> Any:
    answered = post(office, octets, query)
    assert answered.status_code == 200, answered.text
    return answered.json


def recipients(office: Office, id_: str) -> list[Any]:
    found: Any = office.get(f"/emails/{id_}").json
    return list(found["recipients"])


def suppressed(office: Office, address: str) -> str | None:
    """The origin of its entry on the list."""
    answered = office.get(f"/suppressions/{quote(address, safe='')}")
    return (answered.json or {}).get("origin")


def test_a_bounce_to_the_signed_return_path_moves_its_recipient_and_lists_the_address(office: Office) -> None:
    id_ = delivered(office)
    answer = told(office, bounce(return_path(office, id_), "Ann@HOME.example"))
    assert answer == {
        "object": "bounce_report",
        "outcome": "read",
        "detail": "It is a report about this letter.",
        "kind": "delivery",
        "email_id": id_,
        "signed": True,
        "recipients": [
            {
                "address": "ann@home.example",
                "reported_as": "Ann@HOME.example",
                "status": "bounced",
                "outcome": "recorded",
            }
        ],
    }
    (ann,) = recipients(office, id_)
    assert (ann["status"], ann["code"], ann["enhanced_code"]) == ("bounced", 550, "5.1.1")
    assert (ann["cause"], ann["mx"], ann["response"]) == (
        "no_such_mailbox",
        "mx.home.example",
        "550 5.1.1 no such user",
    )
    assert suppressed(office, "ann@home.example") == "bounce"
    assert office.get(f"/emails/{id_}").json["last_event"] == "bounced"  # type: ignore[index]


def test_the_same_report_again_gets_the_same_answer_and_changes_nothing(office: Office) -> None:
    id_ = delivered(office)
    report = bounce(return_path(office, id_), "ann@home.example")
    first = told(office, report)
    after = office.submissions.stored[id_]
    office.now += timedelta(hours=1)
    assert told(office, report) == first
    assert office.submissions.stored[id_] == after
    office.delete("/suppressions/ann%40home.example")
    assert told(office, report) == first
    assert suppressed(office, "ann@home.example") is None, "what was said before doesn't put it back"


def test_a_report_whose_worker_died_before_it_listed_the_address_is_finished_by_its_repeat(office: Office) -> None:
    id_ = delivered(office)
    report = bounce(return_path(office, id_), "ann@home.example")
    told(office, report)
    for key in [key for key in office.directory.documents if key[0].startswith("suppression")]:
        del office.directory.documents[key]
    told(office, report)
    assert suppressed(office, "ann@home.example") == "bounce"


def test_a_complaint_moves_whoever_complained_and_lists_the_address(office: Office) -> None:
    id_ = delivered(office, to=["ann@home.example", "bob@home.example"])
    answer = told(office, complaint(return_path(office, id_), "bob@home.example"))
    assert (answer["kind"], answer["signed"]) == ("feedback", True)
    assert [each["status"] for each in recipients(office, id_)] == ["delivered", "complained"]
    assert suppressed(office, "bob@home.example") == "complaint"
    assert suppressed(office, "ann@home.example") is None


def test_a_complaint_behind_a_bounce_is_the_last_word(office: Office) -> None:
    id_ = delivered(office)
    path = return_path(office, id_)
    told(office, bounce(path, "ann@home.example", status="5.2.1"))
    told(office, complaint(path, "ann@home.example"))
    late = told(office, bounce(path, "ann@home.example"))
    assert late["recipients"][0]["outcome"] == "kept"
    assert recipients(office, id_)[0]["status"] == "complained"


def test_feedback_that_is_no_complaint_changes_nothing(office: Office) -> None:
    id_ = delivered(office)
    answer = told(office, complaint(return_path(office, id_), "ann@home.example", kind="not-spam"))
    assert answer["recipients"][0]["outcome"] == "nothing_to_record"
    assert recipients(office, id_)[0]["status"] == "delivered"


def test_several_recipients_of_one_report_move_together_also_over_several_destinations(office: Office) -> None:
    id_ = delivered(office, to=["ann@home.example", "bob@away.example", "carl@home.example"])
    answer = told(office, bounce(return_path(office, id_), "ann@home.example", "bob@away.example", "eve@home.example"))
    assert [each["outcome"] for each in answer["recipients"]] == ["recorded", "recorded", "not_a_recipient"]
    assert [each["address"] for each in answer["recipients"]] == ["ann@home.example", "bob@away.example", None]
    states = {each["address"]: each["status"] for each in recipients(office, id_)}
    assert states == {"ann@home.example": "bounced", "bob@away.example": "bounced", "carl@home.example": "delivered"}


def test_a_letter_that_was_passed_on_bounces_for_its_only_recipient_who_is_not_suppressed(office: Office) -> None:
    id_ = delivered(office)
    (heard,) = told(office, bounce(return_path(office, id_), "ann@elsewhere.example"))["recipients"]
    assert (heard["address"], heard["reported_as"]) == ("ann@home.example", "ann@elsewhere.example")
    assert heard["status"] == "bounced"
    assert suppressed(office, "ann@home.example") is suppressed(office, "ann@elsewhere.example") is None


def test_an_address_that_passes_letters_on_is_there_though_the_one_behind_it_is_not(office: Office) -> None:
    id_ = delivered(office, to=["ann@home.example", "bob@home.example"])
    report = bounce(return_path(office, id_), "ann@elsewhere.example").replace(
        b"Final-Recipient", b"Original-Recipient: rfc822; ann@home.example\r\nFinal-Recipient"
    )
    (heard,) = told(office, report)["recipients"]
    assert (heard["address"], heard["reported_as"]) == ("ann@home.example", "ann@elsewhere.example")
    assert [each["status"] for each in recipients(office, id_)] == ["bounced", "delivered"]
    assert suppressed(office, "ann@home.example") is None


@pytest.mark.parametrize("said", ["recipient", "delivered-to", "return-path", "message to it"])
def test_the_return_path_is_found_wherever_it_was_left(office: Office, said: str) -> None:
    id_ = delivered(office)
    path = return_path(office, id_).upper()
    headers = f"Return-Path: <{path}>\r\n" if said == "return-path" else ""
    report = bounce(path if said == "message to it" else "inbound@shop.example", "ann@home.example", headers=headers)
    report = (f"Delivered-To: {path}\r\n".encode() if said == "delivered-to" else b"") + report
    answer = told(office, report, f"?recipient={quote(path)}" if said == "recipient" else "")
    assert (answer["email_id"], answer["signed"]) == (id_, True)


# Who forges.


def forgeries(office: Office, id_: str) -> list[str]:
    path, other = return_path(office, id_), return_path(office, delivered(office))
    local, domain = path.split("@")
    name, signature = local.split(".")
    return [
        ReturnPaths((b"\x09" * 32,)).of(SubmissionId(id_), domain),
        f"{name}.{other.partition('.')[2].partition('@')[0]}@{domain}",
        f"{name}.@{domain}",
        f"{name}.{signature[:-1]}@{domain}",
        f"{name}.{signature}@other.example",
    ]


def test_a_forged_report_changes_nothing_whatever_else_it_names(office: Office) -> None:
    id_ = delivered(office)
    before = dict(office.submissions.stored), dict(office.directory.documents)
    path = return_path(office, id_)
    for forged in forgeries(office, id_):
        before[0].update({key: each for key, each in office.submissions.stored.items() if key not in before[0]})
        headers = f"Return-Path: <{path}>\r\nMessage-ID: <{id_}@shop.example>\r\n"
        answer = told(office, bounce(forged, "ann@home.example", headers=headers))
        assert (answer["outcome"], answer["email_id"], answer["signed"], answer["recipients"]) == (
            "forged",
            None,
            False,
            [],
        )
        assert told(office, complaint(forged, "ann@home.example"))["outcome"] == "forged"
        if ".@" not in forged:  # which is no address
            assert told(office, bounce(path, "ann@home.example"), f"?recipient={forged}")["outcome"] == "forged"
    assert office.submissions.stored == before[0]
    assert office.directory.documents == before[1]


def test_a_letter_with_a_signed_return_path_is_not_moved_by_its_message_id_alone(office: Office) -> None:
    id_ = delivered(office)
    headers = f"Message-ID: <{id_}@shop.example>\r\n"
    answer = told(office, bounce("hello@shop.example", "ann@home.example", headers=headers))
    assert (answer["outcome"], answer["email_id"], answer["signed"]) == ("unsigned", id_, False)
    assert "signed return path" in answer["detail"]
    assert recipients(office, id_)[0]["status"] == "delivered"


def test_a_letter_without_a_return_path_of_ours_moves_by_its_message_id_and_it_says_so() -> None:
    office = Office()
    for report in (
        bounce("hello@shop.example", "ann@home.example", headers="Message-ID: <{id}@shop.example>\r\n"),
        bounce("hello@shop.example", "ann@home.example").replace(b"To:", b"In-Reply-To: <{id}@shop.example>\r\nTo:"),
    ):
        id_ = delivered(office)
        answer = told(office, report.replace(b"{id}", id_.encode()))
        assert (answer["outcome"], answer["email_id"], answer["signed"]) == ("read", id_, False)
        (ann,) = recipients(office, id_)
        assert (ann["status"], ann["cause"]) == ("bounced", "reported_unsigned")
        assert suppressed(office, "ann@home.example") is None


def test_an_unsigned_complaint_lists_nobody_and_an_unsigned_report_guesses_no_recipient() -> None:
    office = Office()
    id_ = delivered(office)
    named = f"In-Reply-To: <{id_}@shop.example>\r\n".encode()
    answer = told(office, named + bounce("hello@shop.example", "ann@elsewhere.example"))
    assert answer["recipients"][0]["outcome"] == "not_a_recipient"
    told(office, named + complaint("hello@shop.example", "ann@home.example"))
    (ann,) = recipients(office, id_)
    assert (ann["status"], ann["cause"]) == ("complained", "reported_unsigned")
    assert suppressed(office, "ann@home.example") is None


def test_return_paths_from_before_there_were_signatures_go_on_as_unsigned(office: Office) -> None:
    id_ = delivered(office)
    early = replace(office.submissions.stored[id_], return_path=f"{id_}@{DOMAIN}", message_id="<own@shop.example>")
    office.submissions.stored[id_] = early
    answer = told(office, bounce(f"{id_}@{DOMAIN}", "ann@home.example"))
    assert (answer["outcome"], answer["signed"]) == ("read", False)
    assert recipients(office, id_)[0]["cause"] == "reported_unsigned"
    guessed = told(office, bounce(f"{id_}@elsewhere.example", "ann@home.example"))
    assert guessed["outcome"] == "unknown_email"


# What can't be found, or is no report.


def test_a_letter_that_is_gone_is_answered_with_success_so_that_nobody_repeats_it(office: Office) -> None:
    unknown = SubmissionId("6f0c9d7e-0d5b-4e57-9a50-0c2b5a1f3c11")
    path = office.accept.return_paths.of(unknown, DOMAIN)
    answer = told(office, bounce(path, "ann@home.example"))
    assert (answer["outcome"], answer["email_id"], answer["signed"]) == ("unknown_email", None, True)
    id_ = delivered(office)
    path = return_path(office, id_)
    assert office.delete(f"/emails/{id_}").status_code == 200
    answer = told(office, bounce(path, "ann@home.example"))
    assert (answer["outcome"], answer["email_id"], answer["recipients"]) == ("erased_email", id_, [])


def test_mail_that_is_no_report_is_answered_with_success(office: Office) -> None:
    id_ = delivered(office)
    away = f"To: {return_path(office, id_)}\r\nSubject: Re: Hello\r\n\r\nI am away.\r\n".encode()
    answer = told(office, away)
    assert (answer["outcome"], answer["kind"], answer["email_id"]) == ("not_a_report", None, None)


def test_a_letter_that_somebody_is_at_is_to_be_reported_again(office: Office) -> None:
    id_ = delivered(office)
    (parcel,) = office.submissions.stored[id_].parcels
    lease = Lease("worker", office.now, office.now + timedelta(minutes=1))
    claimed = office.submissions.change(replace(parcel, lease=lease))
    assert claimed is not None
    report = bounce(return_path(office, id_), "ann@home.example")
    refused = post(office, report)
    assert problem(refused)[:2] == (503, "application_error")
    assert refused.headers["Retry-After"] == "5"
    assert office.submissions.change(replace(claimed, lease=None))
    assert told(office, report)["recipients"][0]["status"] == "bounced"


@pytest.mark.parametrize(
    ("octets", "status", "words"),
    [
        (b"", 400, "can't be read as a message: it is empty"),
        (b'{"type": "bounce"}', 422, "Send it raw"),
        (b"\xff\x00", 422, "Send it raw"),
    ],
)
def test_what_is_no_message_is_refused(office: Office, octets: bytes, status: int, words: str) -> None:
    answered = problem(post(office, octets))
    assert answered[:2] == (status, "validation_error")
    assert words in answered[2]


def test_the_query_is_looked_at(office: Office) -> None:
    report = bounce("a@shop.example", "ann@home.example")
    for query in (
        "?recipient=",
        "?recipient=a%40b.example&recipient=c%40d.example",
        "?recipient=nobody",
        f"?recipient={'a' * 400}",
    ):
        status, _, message = problem(post(office, report, query))
        assert (status, "recipient" in message) == (422, True)


def test_only_keys_with_full_access_report(office: Office) -> None:
    assert problem(post(office, b"x", token=SENDING))[:2] == (401, "restricted_api_key")
