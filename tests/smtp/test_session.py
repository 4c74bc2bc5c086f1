"""Whatever a server says, a transaction ends, every recipient has one verdict, and none is better than was heard."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.authentication import AuthAnswer, AuthPlain, AuthStep, AuthXoauth2
from postroom.smtp.commands import Bdat, Content, Ehlo, MailFrom, RcptTo, UnsafeCommand
from postroom.smtp.dialogue import Session
from postroom.smtp.envelope import Mail
from postroom.smtp.flight import Failure, Flight, Heard, Lost
from postroom.smtp.reply import Capabilities, Reply
from postroom.smtp.security import Credentials, Mechanism, Security
from postroom.smtp.verdict import Fate, Verdict

RECIPIENTS = ("bob@example.net", "carol@example.net", "dave@example.net")
LETTER = Mail("alice@example.org", RECIPIENTS, b"Subject: x\r\n\r\nx\r\n")

codes = st.sampled_from([220, 235, 250, 251, 354, 421, 450, 451, 452, 500, 502, 503, 550, 552, 554, 399, 299])


class Wayward:
    """A server that answers anything, and may leave at any moment."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.said: list[tuple[object, Reply | None]] = []
        self.gone = False

    def drive(self, dialogue: Generator[Flight, Heard, Any]) -> Any:
        try:
            flight = next(dialogue)
            for _ in range(50):
                flight = dialogue.send(self.answer(flight))
        except StopIteration as end:
            return end.value
        raise AssertionError("the dialogue doesn't end")

    def answer(self, flight: Flight) -> Heard:
        replies: list[Reply] = []
        for command in flight:
            if self.gone or self.data.draw(st.integers(0, 19)) == 0:
                self.gone = True
                self.said.append((command, None))
            else:
                replies.append(Reply(self.data.draw(codes), ("x", "PIPELINING")))
                self.said.append((command, replies[-1]))
        return Heard(tuple(replies), Lost("gone", self.data.draw(st.booleans())) if self.gone else None)


@given(st.data(), st.sampled_from([(), ("PIPELINING",), ("PIPELINING", "CHUNKING"), ("CHUNKING",)]))
def test_no_verdict_is_better_than_what_was_heard(data: st.DataObject, offered: tuple[str, ...]) -> None:
    server = Wayward(data)
    session = Session("client.example.org")
    session.can = Capabilities(dict.fromkeys(offered, ""))
    verdicts: tuple[Verdict, ...] = server.drive(session.transaction(LETTER))

    assert [verdict.recipient for verdict in verdicts] == list(RECIPIENTS)
    heard = {command.address: reply for command, reply in server.said if isinstance(command, RcptTo)}
    finals = [reply for command, reply in server.said if isinstance(command, Content)]
    final = finals[-1:]  # the last of two where BDAT wasn't understood
    for verdict in verdicts:
        rcpt = heard.get(verdict.recipient)
        if verdict.fate is Fate.ACCEPTED:
            assert rcpt is not None
            assert rcpt.positive
            assert final[0] is not None
            assert final[0].positive
        if verdict.fate is Fate.REFUSED:
            assert verdict.reply is not None
            assert verdict.reply.permanent
        if verdict.fate is Fate.UNKNOWN:
            assert final == [None] or (final[0] is not None and final[0].intermediate)
    assert len(finals) <= (2 if "CHUNKING" in offered else 1)
    assert all(reply is not None and not reply.positive for reply in finals[:-1])


@given(st.data(), st.integers(2, 4))
def test_nobody_in_a_flight_of_several_letters_gets_a_better_verdict_than_was_heard(
    data: st.DataObject, letters: int
) -> None:
    server = Wayward(data)
    session = Session("client.example.org")
    session.can = Capabilities({"PIPELINING": "", "CHUNKING": ""})
    session.carried = 1
    mails = [
        Mail(f"{number}@example.org", (f"r{number}@example.net",), b"Subject: x\r\n\r\nx\r\n")
        for number in range(letters)
    ]
    assert session.together(mails, 4) == letters
    each_of_them: list[tuple[Verdict, ...]] = server.drive(session.transactions(mails))

    replies = [reply for _, reply in server.said]
    goodbye = False
    for mail, (verdict,), at in zip(mails, each_of_them, range(0, 4 * letters, 4), strict=True):
        _, _, rcpt, final = replies[at : at + 4]
        assert verdict.recipient == mail.recipients[0]
        if verdict.fate is Fate.ACCEPTED:
            assert rcpt is not None
            assert final is not None
            assert rcpt.positive
            assert final.positive
        if verdict.fate is Fate.REFUSED:
            assert not goodbye, "whoever has said goodbye judges nobody"
            assert verdict.reply is not None
            assert verdict.reply.permanent
        if verdict.fate is Fate.UNKNOWN:
            assert final is None or final.intermediate
        goodbye = goodbye or any(reply is not None and reply.code == 421 for reply in replies[at : at + 4])


@given(st.data())
def test_an_introduction_ends_whatever_the_server_says(data: st.DataObject) -> None:
    mechanism = data.draw(st.sampled_from([None, *Mechanism]))
    session = Session("client.example.org", credentials=Credentials("alice", "secret", mechanism))
    server = Wayward(data)
    failure: Failure | None = server.drive(session.introduce())
    steps = [command for command, _ in server.said if isinstance(command, AuthStep)]
    assert not steps or session.encrypted
    assert sum(command.line().startswith("AUTH ") for command in steps) <= 1
    assert failure is None or failure.note


def test_a_letter_that_asks_for_more_security_than_the_session_has_is_not_sent() -> None:
    session = Session("client.example.org")
    mail = Mail("a@example.org", ("b@example.net",), b"\r\n", security=Security.VERIFY)
    with pytest.raises(StopIteration) as end:
        next(session.transaction(mail))
    assert [verdict.fate for verdict in end.value.value] == [Fate.NOT_ATTEMPTED]


@pytest.mark.parametrize("bad", ["\r\n", "\n", "\0", "\x7f", "\x85", "\u2028", "\ud800", ">"])
def test_no_caller_can_end_a_command_line(bad: str) -> None:
    for command in (MailFrom(f"a{bad}@example.org"), RcptTo(f"a{bad}@example.org")):
        with pytest.raises(UnsafeCommand):
            command.encode()
    if bad != ">":
        with pytest.raises(UnsafeCommand):
            Ehlo(f"host{bad}").encode()
        with pytest.raises(UnsafeCommand):
            MailFrom("a@example.org", (f"SIZE=1{bad}",)).encode()


@pytest.mark.parametrize(
    "path", ['"a>b"@example.org', r'"a \" <b>"@example.org', "jürgen@example.org", "a+b@example.org"]
)
def test_what_a_quoted_local_part_may_hold_goes_out(path: str) -> None:
    assert RcptTo(path).encode() == f"RCPT TO:<{path}>\r\n".encode()


@pytest.mark.parametrize(
    "path", ["a b@example.org", "a@b@c", "a>b@example.org", "nobody", '"a"b"@example.org', "a@b> SIZE=1"]
)
def test_what_is_no_path_does_not(path: str) -> None:
    with pytest.raises(UnsafeCommand):
        MailFrom(path).encode()


def test_credentials_are_in_no_repr_and_no_transcript() -> None:
    for command in (AuthPlain("alice", "open sesame"), AuthXoauth2("alice", "open sesame"), AuthAnswer("open sesame")):
        told = repr(command) + command.shown()
        assert not any(secret in told for secret in command.secrets())
        assert command.spoken() == (command.encode(), command.shown())
    assert "sesame" not in repr(Credentials("alice", "open sesame"))


@pytest.mark.parametrize("command", [AuthPlain("alice\0bob", "x"), AuthXoauth2("alice", "x\1auth=y")])
def test_no_password_can_become_more_than_one(command: AuthStep) -> None:
    with pytest.raises(UnsafeCommand):
        command.encode()


def test_no_transaction_has_more_recipients_than_every_server_takes() -> None:
    session = Session("client.example.org")
    session.can = Capabilities({"PIPELINING": "", "CHUNKING": ""})
    everybody = tuple(f"r{number}@example.net" for number in range(250))
    dialogue = session.transaction(Mail("a@example.org", everybody, b"Subject: x\r\n\r\nx\r\n"))
    asked: list[int] = []
    flight = next(dialogue)
    verdicts: tuple[Verdict, ...] = ()
    while not verdicts:
        asked.append(sum(isinstance(command, RcptTo) for command in flight))
        try:
            flight = dialogue.send(Heard(tuple(Reply(250, ("ok",)) for _ in flight)))
        except StopIteration as end:
            verdicts = end.value
    assert asked == [100, 100, 50]
    assert [verdict.recipient for verdict in verdicts] == list(everybody)
    assert {verdict.fate for verdict in verdicts} == {Fate.ACCEPTED}


def test_what_breaks_off_behind_a_letter_that_was_said_leaves_doubt_for_everybody() -> None:
    session = Session("client.example.org")
    session.can = Capabilities({"PIPELINING": "", "LIMITS": "RCPTMAX=1"})
    mail = Mail("a@example.org", ("b@example.net", "c@example.net"), b"Subject: x\r\n\r\nx\r\n")
    dialogue = session.transaction(mail)
    next(dialogue)
    dialogue.send(Heard((Reply(250, ("ok",)), Reply(250, ("ok",)), Reply(354, ("go on",)))))
    dialogue.send(Heard((Reply(250, ("taken",)),)))  # the second transaction begins, and our own code fails
    assert {verdict.fate for verdict in session.broken_off(mail, "postroom itself failed")} == {Fate.UNKNOWN}


def test_a_chunk_goes_out_as_it_is() -> None:
    assert Bdat(b"a\r\n.\r\n").encode() == b"BDAT 6 LAST\r\na\r\n.\r\n"
    assert "BDAT 6 LAST (6 octets, sha256" in Bdat(b"a\r\n.\r\n").shown()


def test_a_large_letter_is_not_wasted_on_a_refusal() -> None:
    session = Session("client.example.org")
    session.can = Capabilities({"PIPELINING": "", "CHUNKING": ""})
    large = Mail("a@example.org", ("b@example.net",), b"x" * 70 + b"\r\n" * 40_000)
    assert not any(isinstance(command, Content) for command in next(session.transaction(large)))


@pytest.mark.parametrize(
    ("letter", "stuffed"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\n.b\r\n", b"a\r\n..\r\n..b\r\n.\r\n"),
    ],
)
def test_dots_at_the_start_of_a_line_are_stuffed(letter: bytes, stuffed: bytes) -> None:
    assert Content(letter).encode() == stuffed
