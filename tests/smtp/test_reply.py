"""Octets from an untrusted server become replies, or end the session; nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.reply import MAX_LINES, Capabilities, MalformedReply, Reply, ReplyParser


def parsed(*pieces: bytes) -> list[Reply]:
    parser = ReplyParser()
    return [reply for piece in pieces for reply in parser.feed(piece)]


def test_a_reply_of_several_lines_is_one_reply() -> None:
    assert parsed(b"250-mx.example.net\r\n250-SIZE 10\r\n250 HELP\r\n") == [
        Reply(250, ("mx.example.net", "SIZE 10", "HELP"))
    ]


def test_bare_line_feeds_and_a_code_alone_are_taken() -> None:
    assert parsed(b"250 one\n354\r\n") == [Reply(250, ("one",)), Reply(354, ("",))]


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"25 short\r\n",
        b"650 no such class\r\n",
        b"150 not in SMTP\r\n",
        b"250_what\r\n",
        b"\r\n",
        "２５０ full width\r\n".encode(),
        b"250-one\r\n550 two\r\n",
        b"2" * 3000,
        b"250 " + b"x" * 3000 + b"\r\n",
        b"250-x\r\n" * (MAX_LINES + 1),
    ],
)
def test_what_is_no_reply_ends_the_session(octets: bytes) -> None:
    with pytest.raises(MalformedReply):
        parsed(octets)


def test_the_replies_before_a_malformed_one_still_count() -> None:
    replies = ReplyParser().feed(b"250 ok\r\n550 no\r\nwhat\r\n")
    assert [next(replies).code, next(replies).code] == [250, 550]
    with pytest.raises(MalformedReply):
        next(replies)


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_where_the_octets_are_cut_changes_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(pieces)
    cut = data.draw(st.integers(0, len(octets)))

    def outcome(*parts: bytes) -> list[Reply] | str:
        try:
            return parsed(*parts)
        except MalformedReply:
            return "malformed"

    assert outcome(octets) == outcome(octets[:cut], octets[cut:])


@given(
    st.lists(
        st.tuples(
            st.integers(200, 599), st.lists(st.text(st.characters(exclude_characters="\r\n"), max_size=30), min_size=1)
        )
    )
)
def test_every_reply_comes_back_whole_and_safe_to_keep(replies: list[tuple[int, list[str]]]) -> None:
    octets = b""
    for code, lines in replies:
        for at, line in enumerate(lines):
            separator = " " if at == len(lines) - 1 else "-"
            octets += f"{code}{separator}{line}\r\n".encode("utf-8", "replace")
    for reply in parsed(octets):
        for line in (*reply.shown, reply.quoted()):
            line.encode()
            assert line.isprintable() or "\u00ad" in line or not any(c in line for c in "\r\n\0\x1b")
            assert len(line) <= 1024


def test_octets_that_are_not_utf_8_are_kept_as_latin_1() -> None:
    (reply,) = parsed(b"550 bo\xeete pleine\r\n")
    assert reply.text == "boîte pleine"


def test_control_characters_are_escaped_before_they_are_kept() -> None:
    (reply,) = parsed(b"550 \x1b[2Jgone\x00\r\n")
    assert reply.quoted() == r"550 \x1b[2Jgone\x00"


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [
        ("5.1.1 no such user", "5.1.1"),
        ("no code at all", None),
        ("4.1.1 the class disagrees with the reply", None),
        ("5.1.1.1 is an address, not a code", None),
        ("5.7.509", "5.7.509"),
    ],
)
def test_the_enhanced_code_counts_where_its_class_is_the_replys(text: str, enhanced: str | None) -> None:
    assert Reply(550, (text,)).enhanced == enhanced


def test_capabilities_are_keywords_with_parameters() -> None:
    can = Capabilities.parse(Reply(250, ("mx greets you", "size 1000", "AUTH plain LOGIN", "PIPELINING ")))
    assert (can.size, sorted(can.auth), "PIPELINING" in can) == (1000, ["LOGIN", "PLAIN"], True)


@pytest.mark.parametrize("limit", ["", "0", "-1", "many", "9" * 30, "²", "١"])
def test_a_size_that_is_no_limit_limits_nothing(limit: str) -> None:
    assert Capabilities({"SIZE": limit}).size is None
