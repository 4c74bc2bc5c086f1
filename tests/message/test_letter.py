"""The stored form, and what is refused before anything is stored."""

import pytest
from hypothesis import given, settings

from postroom.message.address import Mailbox
from postroom.message.letter import (
    LONGEST_READ,
    Attachment,
    InvalidHeader,
    Letter,
    check_content_id,
    check_content_type,
    check_header,
    check_text,
    guess_content_type,
)
from postroom.message.mime import render
from tests.message.strategies import NOON, letters

ADA = Mailbox.parse("Ada <ada@a.example>")


@settings(max_examples=60)
@given(letters)
def test_a_stored_letter_comes_back_as_it_was(letter: Letter) -> None:
    assert Letter.unpack(letter.pack()) == letter


def test_the_stored_form_is_a_line_of_json_and_the_files_as_they_came() -> None:
    first = Attachment(filename="a", content=b"\n\x00\xff", content_type="image/png")
    second = Attachment(filename="b", content=b"tail", content_type="image/png", content_id="b")
    letter = Letter(sender=ADA, to=(ADA,), subject="half a pair \ud800", text="é\n", attachments=(first, second))
    line, _, rest = letter.pack().partition(b"\n")
    assert line.startswith(b'{"sender":["ada","a.example","Ada"],')
    assert rest == b"\n\x00\xfftail"
    assert Letter.unpack(letter.pack()) == letter


def test_a_text_is_made_from_the_html_unless_there_is_one_or_none_is_wanted() -> None:
    html = "<p>Hello, <b>Ada</b>."

    def plain(text: str | None, html: str | None) -> str | None:
        return Letter(sender=ADA, to=(ADA,), subject="", text=text, html=html).plain

    assert plain(None, html) == "Hello, Ada."
    assert plain("Dear Ada.", html) == "Dear Ada."
    assert plain("", html) is None
    assert plain(None, None) is None
    assert plain(None, "<img src=x>") is None
    assert plain(None, "<p>" + "x" * LONGEST_READ) is None


def test_a_letter_that_was_stored_before_texts_were_made_keeps_its_octets() -> None:
    """Between two attempts of it a new version may have come."""
    stored = (
        b'{"sender":["ada","a.example","Ada"],"to":[["ada","a.example","Ada"]],"cc":[],"reply_to":[],"subject":"Hello",'
        b'"text":null,"html":"<p>Hello, Ada.","headers":[],"attachments":[]}\n'
    )
    letter = Letter.unpack(stored)
    assert letter.plain is None
    assert Letter.unpack(letter.pack()) == letter
    octets = render(letter, message_id="<1@a.example>", date=NOON, seed="1")
    assert octets.endswith(
        b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        b"<p>Hello, Ada.\r\n"
    )


def test_a_torn_letter_is_not_taken_for_a_whole_one() -> None:
    file = Attachment(filename="a", content=b"0123456789", content_type="image/png")
    stored = Letter(sender=ADA, to=(ADA,), subject="", attachments=(file,)).pack()
    with pytest.raises(ValueError, match="length"):
        Letter.unpack(stored[:-1])


@pytest.mark.parametrize("field", ["sender", "to", "cc", "reply_to"])
def test_any_mailbox_in_the_header_can_need_smtputf8(field: str) -> None:
    zoe = Mailbox.parse("zoë@a.example")
    boxes = {"sender": ADA, "to": (ADA,), "cc": (ADA,), "reply_to": ()}
    assert not Letter(subject="é", **boxes).needs_smtputf8  # type: ignore[arg-type]
    boxes[field] = zoe if field == "sender" else (ADA, zoe)
    assert Letter(subject="", **boxes).needs_smtputf8  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Entity-Ref-ID", "123"),
        ("X-Tags", '["é", "=?utf-8?q?=0d=0a?="]'),
        ("X-Empty", ""),
        ("Content", "not of the family"),
        ("X-Tab", "a\tb"),
        ("List-Unsubscribe", "<https://a.example/" + "u" * 900 + ">"),
        ("References", "<a@b.example> " * 400),
        ("Message-ID", "<a.b@c.example>"),
        ("message-id", "<a@[10.0.0.1]>"),
        ("X-Long", "é" * 2000),
        ("In-Reply-To", "<a@b>"),
    ],
)
def test_headers_that_may_be_added(name: str, value: str) -> None:
    check_header(name, value)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("", "x", "printable"),
        ("X A", "x", "printable"),
        ("X:A", "x", "printable"),
        ("X-A\r\nBcc", "x", "printable"),
        ("X-É", "x", "printable"),
        ("X" * 77, "x", "76 characters"),
        *(
            (name, "x", "may not be set")
            for name in ("From", "to", "CC", "Bcc", "Sender", "Subject", "Date", "Received")
        ),
        *((name, "x", "may not be set") for name in ("Return-Path", "MIME-Version", "DKIM-Signature", "ARC-Seal")),
        *((name, "x", "may not be set") for name in ("Content-Type", "content-id", "Resent-To", "Resent-Message-ID")),
        ("Reply-To", "x", "use `reply_to`"),
        *(("X-A", f"a{char}b", "no header can carry") for char in "\r\n\x00\x0b\x1b\x7f\ud800\udfff"),
        ("X-A", "a\r\n b", "U\\+000D"),
        ("X-A", "a" * 998, "without a space"),
        ("X-A", "a" + " " * 998 + "b", "without a space"),
        ("X-A", "a " * 9000, "16384"),
        ("List-Unsubscribe", "<https://é.example>", "beyond ASCII"),
        ("References", "<é@b.example>", "beyond ASCII"),
        *(("Message-ID", value, "<left@right>") for value in ("a@b", "<a>", "<a@b> <c@d>", "<a b@c>", "<@>", "<a@b>x")),
    ],
)
def test_headers_that_may_not(name: str, value: str, reason: str) -> None:
    with pytest.raises(InvalidHeader, match=reason):
        check_header(name, value)


def test_text_bound_for_a_header_holds_no_controls() -> None:
    check_text("Grüße =?utf-8?q?=0d=0a?= 🎉")
    for char in "\r\n\x00\x1b\x7f\ud800":
        with pytest.raises(InvalidHeader, match=f"U\\+{ord(char):04X}"):
            check_text(f"a{char}b")


@pytest.mark.parametrize(
    "value",
    ["application/pdf", 'text/plain; charset="utf-8"', "text/calendar;method=REQUEST; charset=utf-8", "message/rfc822"],
)
def test_content_types_that_can_be_attached(value: str) -> None:
    check_content_type(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *(
            (value, "looks like")
            for value in ("", "pdf", "a/", "/b", "a/b/c", "a/b;", "a/b; c", "a/b; c=d e", "ä/b", "a /b")
        ),
        *((value, "looks like") for value in ("a/b\r\nBcc: x", 'a/b; c="\r\n"', 'a/b; c="d', "a/b; c=\x00", "a/b\n")),
        ("multipart/mixed; boundary=x", "multipart"),
        ("Message/Partial", "rfc822"),
        ("a/" + "b" * 300, "255"),
    ],
)
def test_content_types_that_can_not(value: str, reason: str) -> None:
    with pytest.raises(InvalidHeader, match=reason):
        check_content_type(value)


def test_content_ids() -> None:
    for good in ("logo", "a.b@c.example", "img_1-2"):
        check_content_id(good)
    for bad in ("", "<logo>", "a b", "a@b@c", "a\r\nb", "é", "a>b", "x" * 251):
        with pytest.raises(InvalidHeader, match="content id"):
            check_content_id(bad)


def test_the_type_follows_from_the_ending() -> None:
    assert guess_content_type("Report.final.PDF") == "application/pdf"
    assert guess_content_type("letter.eml") == "message/rfc822"
    for unknown in ("pdf", "a.xyz", "", "a."):
        assert guess_content_type(unknown) == "application/octet-stream"
