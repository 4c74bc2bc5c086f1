"""The bytes: golden letters that a postmaster can read, and properties that hold for every letter."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings

from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter
from postroom.message.mime import UnsendableLetter, render
from postroom.message.transfer import base64, text_body
from tests.message.golden import GOLDEN, LETTERS, Golden
from tests.message.oracle import assert_meets_contract, assert_says, parsed
from tests.message.strategies import NOON, body_text, letters

PLAIN = Letter(sender=Mailbox("a", "b.example"), to=(Mailbox("c", "d.example"),), subject="s", text="t")


def rendered(letter: Letter) -> bytes:
    return render(letter, message_id="<1@b.example>", date=NOON, seed="1")


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_a_golden_letter(golden: Golden) -> None:
    message = golden.render()
    assert message == golden.expected
    assert_meets_contract(message)
    assert_says(message, golden.letter)
    mail = parsed(message)
    assert mail["Message-ID"] == golden.message_id
    assert mail["Date"].datetime == golden.date


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_a_golden_letter_says_why(golden: Golden) -> None:
    assert len((LETTERS / golden.name / "readme").read_text("utf-8").splitlines()) == 1


@settings(max_examples=100)
@given(letters)
def test_every_letter_meets_the_contract_and_says_what_was_asked(letter: Letter) -> None:
    message = rendered(letter)
    assert_meets_contract(message)
    assert_says(message, letter)
    assert rendered(letter) == message


@settings(max_examples=150)
@given(body_text)
@example("x" * 75 + " \n")
@example("From " + "é" * 12 + "x" * 40 + "\n" + "From " + "y" * 69 + " \n")
@example("é" * 11 + "x" * 9 + " \n" + "From From " + "=" * 60)
@example("é" + "x" * 68 + " \n")
@example("=" + "x" * 69 + " \t \n" + "From " + "=" + "x" * 64 + " \n")
@example("long " * 60)
@example("\n" * 5 + "é")
def test_every_text_travels_in_short_clear_lines(text: str) -> None:
    encoding, body = text_body(text)
    lines = body.split(b"\r\n")
    assert max(map(len, lines)) <= (78 if encoding == "7bit" else 76)  # RFC 2045 §6.7 (5), §6.8
    assert not any(line.startswith((b"From ", b"--=_")) for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    assert all(octet in b"\t\r\n" or 32 <= octet < 127 for octet in body)


def test_the_smaller_encoding_is_chosen() -> None:
    assert text_body("plain\n")[0] == "7bit"
    assert text_body("mostly plain, café\n")[0] == "quoted-printable"
    assert text_body("日本語の手紙です。\n")[0] == "base64"


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 57 * 512 - 1, 57 * 512, 57 * 512 + 1, 100_000])
def test_base64_lines_are_full(size: int) -> None:
    lines = base64(bytes(size)).split(b"\r\n")
    assert {len(line) for line in lines[:-1]} <= {76}
    assert len(b"".join(lines)) == (size + 2) // 3 * 4


def test_the_boundary_comes_from_the_seed_alone() -> None:
    letter = replace(PLAIN, html="<p>t</p>")
    one, other = (render(letter, message_id="<1@b.example>", date=NOON, seed=seed) for seed in ("1", "2"))
    assert one != other
    assert parsed(one).get_boundary() != parsed(other).get_boundary()


def test_a_text_that_holds_the_boundary_does_not_end_its_part() -> None:
    boundary = parsed(rendered(replace(PLAIN, html="")))["Content-Type"].params["boundary"]
    letter = replace(PLAIN, text=f"--{boundary}--\nstill here\n", html=f"--{boundary}\nContent-Type: x/y\n\nhere\n")
    assert_says(rendered(letter), letter)


def test_a_subject_without_a_space_is_cut_into_encoded_words() -> None:
    letter = replace(PLAIN, subject="x" * 1200)
    assert_meets_contract(rendered(letter))
    assert_says(rendered(letter), letter)


def test_a_date_is_written_in_utc_and_english() -> None:
    tokyo = datetime(2026, 1, 1, 3, 4, 5, tzinfo=timezone(timedelta(hours=9)))
    message = render(PLAIN, message_id="<1@b.example>", date=tokyo, seed="1")
    assert b"\r\nDate: Wed, 31 Dec 2025 18:04:05 +0000\r\n" in message
    with pytest.raises(ValueError, match="time zone"):
        render(PLAIN, message_id="<1@b.example>", date=tokyo.replace(tzinfo=None), seed="1")


@pytest.mark.parametrize(
    "letter",
    [
        replace(PLAIN, subject="s\r\nBcc: x@evil.example"),
        replace(PLAIN, subject="s\nBcc: x@evil.example"),
        replace(PLAIN, subject="s\rBcc: x@evil.example"),
        replace(PLAIN, subject="s\r\n\r\nbody"),
        replace(PLAIN, subject="s\x00"),
        replace(PLAIN, subject="s\ud800"),
        replace(PLAIN, text="\ud800"),
        replace(PLAIN, sender=Mailbox("a", "b.example", "x\r\nBcc: x@evil.example")),
        replace(PLAIN, sender=Mailbox("a\r\nBcc: x", "b.example")),
        replace(PLAIN, to=(Mailbox("a", "é.example"),)),
        replace(PLAIN, headers=(("X-A", "x\r\nBcc: x@evil.example"),)),
        replace(PLAIN, headers=(("X-A: x\r\nBcc", "x@evil.example"),)),
        replace(PLAIN, headers=(("References", "é"),)),
        replace(PLAIN, headers=(("References", "x" * 1000),)),
        replace(PLAIN, attachments=(Attachment(filename="a", content=b"", content_type="a/b\r\nX-A: b"),)),
        replace(PLAIN, attachments=(Attachment(filename="a", content=b"", content_type="a/b; c=\xe9"),)),
        replace(
            PLAIN, attachments=(Attachment(filename="a", content=b"", content_type="a/b", content_id="a\r\nX-A: b"),)
        ),
        replace(PLAIN, attachments=(Attachment(filename="\ud800", content=b"", content_type="a/b"),)),
    ],
)
def test_a_letter_whose_parts_nobody_checked_does_not_leave(letter: Letter) -> None:
    with pytest.raises(UnsendableLetter):
        rendered(letter)


@pytest.mark.parametrize("message_id", ["1@b.example", "<1@b.example>\r\nBcc: x@evil.example", "", "<1>"])
def test_a_message_id_is_one(message_id: str) -> None:
    with pytest.raises(UnsendableLetter):
        render(PLAIN, message_id=message_id, date=NOON, seed="1")
