"""What comes back, as real systems write it: each folder of `reports/` holds a message and what is to be read in it."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.account.verp import ReturnPaths, Seal
from postroom.delivery.recipient import Recipient
from postroom.delivery.reports.move import Effect, moved
from postroom.delivery.reports.reading import LOOKED_AT, NoMessage, read_report
from postroom.delivery.reports.report import Action, Report, Said
from postroom.delivery.status import Status

REPORTS = Path(__file__).parent / "reports"
NAMES = sorted(each.name for each in REPORTS.iterdir())
THEN, NOW = datetime(2030, 1, 2, 12, tzinfo=UTC), datetime(2030, 1, 2, 13, tzinfo=UTC)
LETTER = "6f0c9d7e-0d5b-4e57-9a50-0c2b5a1f3c11"
RETURN_PATHS = ReturnPaths((b"\x01" * 32,))


def golden(name: str) -> bytes:
    return (REPORTS / name / "report.eml").read_bytes()


def expected(name: str) -> dict[str, Any]:
    return tomllib.loads((REPORTS / name / "expected.toml").read_text("utf-8"))


def a_recipient(status: Status = Status.DELIVERED, **members: Any) -> Recipient:
    return Recipient(address="bob@home.example", kind="to", status=status, updated_at=THEN, **members)


def signed(report: Report) -> bool:
    readings = [RETURN_PATHS.read(each) for each in report.return_paths]
    return [each.submission for each in readings if each and each.seal is Seal.SIGNED][:1] == [LETTER]


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_read_as_its_folder_says(name: str) -> None:
    wanted, report = expected(name), read_report(golden(name))
    if report is None:
        assert wanted["kind"] == "none"
        return
    assert (str(report.kind), signed(report)) == (wanted["kind"], wanted["signed"])
    assert (f"<{LETTER}@shop.example>" in report.message_ids) is wanted.get("message_ids", False)
    assert [str(each.action) for each in report.said] == [each["action"] for each in wanted["said"]]
    for said, each in zip(report.said, wanted["said"], strict=True):
        assert list(said.keys) == each["keys"]
        after, effect = moved(a_recipient(), said, NOW, signed=wanted["signed"])
        assert str(effect) == each.get("effect", "recorded")
        found = {field: getattr(after, field) for field in ("code", "enhanced_code", "cause", "mx", "suppress")}
        assert {"status": str(after.status), **found} == {
            "status": each["status"],
            **{field: each.get(field, False if field == "suppress" else None) for field in found},
        }
        if "response" in each:
            assert after.response == each["response"]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_report_again_moves_nobody(name: str) -> None:
    report = read_report(golden(name))
    for said in report.said if report else ():
        once, effect = moved(a_recipient(), said, THEN, signed=True)
        assert moved(once, said, NOW, signed=True) == (once, effect)


@pytest.mark.parametrize("name", NAMES)
def test_line_ends_make_no_difference(name: str) -> None:
    octets = golden(name).replace(b"\r\n", b"\n")
    assert read_report(octets) == read_report(octets.replace(b"\n", b"\r\n"))


FAILED = Said(action=Action.FAILED, addresses=("bob@home.example",), status="5.1.1", words="550 5.1.1 x", by_smtp=True)
COMPLAINT = Said(action=Action.COMPLAINED, addresses=("bob@home.example",))
DELIVERED = Said(action=Action.DELIVERED, addresses=("bob@home.example",), status="2.1.5")


@pytest.mark.parametrize(
    ("before", "said", "after", "effect"),
    [
        (Status.DELIVERED, FAILED, Status.BOUNCED, Effect.RECORDED),
        (Status.DEFERRED, FAILED, Status.BOUNCED, Effect.RECORDED),
        (Status.UNKNOWN, FAILED, Status.BOUNCED, Effect.RECORDED),
        (Status.COMPLAINED, FAILED, Status.COMPLAINED, Effect.KEPT),
        (Status.QUEUED, FAILED, Status.QUEUED, Effect.KEPT),
        (Status.EXPIRED, FAILED, Status.EXPIRED, Effect.KEPT),
        (Status.DELIVERED, COMPLAINT, Status.COMPLAINED, Effect.RECORDED),
        (Status.BOUNCED, COMPLAINT, Status.COMPLAINED, Effect.RECORDED),
        (Status.UNKNOWN, COMPLAINT, Status.COMPLAINED, Effect.RECORDED),
        (Status.CANCELED, COMPLAINT, Status.CANCELED, Effect.KEPT),
        (Status.UNKNOWN, DELIVERED, Status.DELIVERED, Effect.RECORDED),
        (Status.BOUNCED, DELIVERED, Status.BOUNCED, Effect.KEPT),
        (Status.DEFERRED, DELIVERED, Status.DEFERRED, Effect.KEPT),
    ],
)
def test_a_report_moves_by_the_table_of_states(before: Status, said: Said, after: Status, effect: Effect) -> None:
    recipient, found = moved(a_recipient(before), said, NOW, signed=True)
    assert (recipient.status, found) == (after, effect)


def test_a_report_without_a_signature_says_so_and_suppresses_nobody() -> None:
    for said in (FAILED, COMPLAINT):
        recipient, _ = moved(a_recipient(), said, NOW, signed=False)
        assert (recipient.cause, recipient.suppress) == ("reported_unsigned", False)


def test_a_bounce_of_the_address_behind_suppresses_nobody() -> None:
    recipient, _ = moved(a_recipient(), FAILED, NOW, signed=True, himself=False)
    assert (recipient.status, recipient.cause, recipient.suppress) == (Status.BOUNCED, "no_such_mailbox", False)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.7.1", "550 5.7.1 we don't want your mail"),
        ("5.0.0", "550 no such user"),  # without 5.1.x it is no proof
        ("4.1.1", "450 4.1.1 not known yet"),
        ("5.1.1", "450 4.1.1 not known yet"),
        ("5.1.1", "550 5.1.1 your IP is blocked"),
    ],
)
def test_what_is_no_proof_that_nobody_is_there_suppresses_nobody(status: str, words: str) -> None:
    said = Said(action=Action.FAILED, addresses=("bob@home.example",), status=status, words=words, by_smtp=True)
    recipient, _ = moved(a_recipient(), said, NOW, signed=True)
    assert (recipient.status, recipient.suppress) == (Status.BOUNCED, False)


def test_words_are_escaped_and_cut() -> None:
    said = Said(action=Action.FAILED, addresses=(), words="550 \x1b[31m" + "x" * 5000, by_smtp=True)
    recipient, _ = moved(a_recipient(), said, NOW, signed=True)
    assert recipient.response is not None
    assert len(recipient.response) <= 1024
    assert recipient.response.startswith("550 \\x1b[31mx")


@pytest.mark.parametrize("octets", [b"\xff\xfe\x00", b"{}", b"<html>", b"\r\n\r\nhello"])
def test_what_has_no_header_is_no_message(octets: bytes) -> None:
    with pytest.raises(NoMessage, match="header"):
        read_report(octets)


def test_a_report_is_read_though_the_letter_that_it_returns_is_longer_than_what_is_looked_at() -> None:
    octets = golden("01-postfix-nobody-there")
    end = octets.rindex(b"\r\n--")
    long = octets[:end] + b"\r\n" + b"x" * 76 * 100 + b"\r\n" * LOOKED_AT + octets[end:]
    assert read_report(long) == read_report(octets)


ANYTHING = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"\n",
                b"\r\n",
                b"--b",
                b"--b--",
                b"Content-Type: multipart/report; boundary=b\n\n--b\n",
                b"Content-Type: message/delivery-status\n\n",
                b"Content-Type: message/feedback-report\n\n",
                b"Content-Transfer-Encoding: base64\n",
                b"Content-Transfer-Encoding: quoted-printable\n",
                b"Content-Type: message/rfc822\n\n",
                b"Final-Recipient: utf-8; \\x{D800}\\x{110000}@home.example\n",
                b"Original-Recipient: rfc822; a+0A+FFb@home.example\n",
                b"Action: failed\nStatus: 5.1.1\n",
                b"Diagnostic-Code: smtp; 999 5.1.1 ((((\n",
                b"Feedback-Type: abuse\n",
                b"Hi. This is the\n\n<a@b.example>:\nRemote host said: 550 x\n\n-\n",
            ]
        ),
    ),
    max_size=25,
).map(lambda pieces: b"To: a@b.example\n" + b"".join(pieces))


@given(st.one_of(ANYTHING, st.binary(max_size=300)))
def test_any_octets_are_read_or_are_no_message(octets: bytes) -> None:
    try:
        report = read_report(octets)
    except NoMessage:
        return
    for said in report.said if report else ():
        recipient, _ = moved(a_recipient(), said, NOW, signed=True)
        assert (recipient.response or "").isprintable()
        assert len(said.keys) <= len(said.addresses)


@pytest.mark.parametrize(
    "piece",
    [
        b"(",
        b"a;",
        b"a=b;",
        b"\n--b\nContent-Type: multipart/mixed; boundary=b\n\n",
        b" ",
        b"\n ",
        b"a@",
        b"\\",
        b"\nx: y",
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "place",
    [
        "To: ",
        "Content-Type: multipart/mixed; boundary=b; x=",
        "Content-Type: message/delivery-status\n\nStatus: ",
        "To: a\n\nHi. This is the",
    ],
)
def test_nothing_makes_it_slow(piece: bytes, place: str) -> None:
    octets = place.encode() + piece * (LOOKED_AT // 4 // len(piece))
    began = process_time()
    read_report(octets)
    assert process_time() - began < 1
