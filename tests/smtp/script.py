"""Plays a dialogue script: what the client must say (C:), what the server answers (S:), what follows from it (=).

login: USER PASSWORD   credentials, and which mechanism alone will do, if one is named
letters: N             so many letters; `depth: N` lets as many share a flight, `idle: N` is the silence before the 2nd
S: (and more) REPLY    a reply behind the last one that was asked for, in the same breath
S: (closes)            the connection ends; `(closes with our words unsent)` before the kernel took all
S: (says nothing)      the timeout of the phase runs out
S: (TLS fails)         in place of the handshake
C: (nothing)           an empty line
C: (letter)            the octets of the letter, and the final dot
= failed CAUSE         the session came to nothing before any letter
= ADDRESS FATE [CAUSE or ENHANCED CODE or REPLY CODE ...]
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postroom.delivery.bounces import classify
from postroom.smtp.commands import Bdat, Command, Content, Greeting, NoContent
from postroom.smtp.dialogue import Session
from postroom.smtp.envelope import Mail
from postroom.smtp.flight import Failure, Flight, Heard, Lost
from postroom.smtp.habits import Habits
from postroom.smtp.reply import MalformedReply, Reply, ReplyParser
from postroom.smtp.security import Credentials, Mechanism, Security
from postroom.smtp.verdict import Verdict

LETTER = b"Subject: hello\r\n\r\nhello\r\n"


@dataclass
class Script:
    head: dict[str, list[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Script:
        script = cls()
        for line in path.read_text("utf-8").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            if line[:2] in ("C:", "S:", "= "):
                script.lines.append(line)
            else:
                name, _, value = line.partition(": ")
                script.head.setdefault(name, []).append(value)
        return script

    def one(self, name: str, default: str) -> str:
        return self.head.get(name, [default])[0]

    def session(self) -> Session:
        credentials = None
        if "login" in self.head:
            username, password, *asked = self.head["login"][0].split()
            credentials = Credentials(username, password, Mechanism(asked[0]) if asked else None)
        security = Security(self.one("security", "opportunistic"))
        habits = Habits(**dict.fromkeys(self.head.get("known", []), True))
        clear_text = "clear text" in self.head
        return Session("client.example.org", security, credentials, clear_text=clear_text, habits=habits)

    def mails(self) -> list[Mail]:
        mail = Mail(
            self.one("from", "alice@example.org"),
            tuple(self.head.get("to", ["bob@example.net"])),
            LETTER,
            smtputf8="smtputf8" in self.head,
            marked="hold" in self.head,
            envelope_id=self.one("envelope id", ""),
            requiretls="requiretls" in self.head,
        )
        return [mail] * int(self.one("letters", "1"))


class Player:
    """Drives a session against a script and compares every line."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.rest = list(script.lines)
        self.parser = ReplyParser()
        self.gone: Lost | None = None

    def play(self) -> None:
        session = self.script.session()
        failure = self.drive(session.introduce())
        if failure is not None:
            self.expect(_failure_line(failure))
        else:
            mails, idle = self.script.mails(), 0.0
            while mails and session.open:
                together = session.together(mails, int(self.script.one("depth", "1")))
                if together > 1:
                    verdicts = [
                        each for several in self.drive(session.transactions(mails[:together])) for each in several
                    ]
                else:
                    verdicts = self.drive(session.transaction(mails[0], idle))
                for verdict in verdicts:
                    self.expect(_verdict_line(verdict))
                mails, idle = mails[together:], float(self.script.one("idle", "0"))
        for wanted in self.script.head.get("learnt", []):
            assert getattr(session.habits, wanted), session.habits
        if self.gone is None:
            self.drive(session.farewell())
        assert not self.rest, f"the script goes on: {self.rest}"

    def drive(self, dialogue: Generator[Flight, Heard, Any]) -> Any:
        try:
            flight = next(dialogue)
            while True:
                flight = dialogue.send(self.answer(flight))
        except StopIteration as end:
            return end.value

    def answer(self, flight: Flight) -> Heard:
        if self.gone is not None:
            return Heard((), Lost(self.gone.why))
        for command in flight:
            if not isinstance(command, Greeting):
                self.expect(f"C: {_said(command)}")
        replies: list[Reply] = []
        while len(replies) < len(flight) and self.gone is None:
            assert self.rest, f"the script ends, and {flight} is unanswered"
            line = self.rest.pop(0)
            assert line.startswith("S: "), f"the script says {line!r} where the client waits for the server"
            replies += self.hear(line[3:])
        surplus = None
        if self.rest and self.rest[0].startswith("S: (and more) "):
            (surplus,) = self.hear(self.rest.pop(0).removeprefix("S: (and more) "))
            self.gone = Lost("the server spoke out of turn", out_of_step=True)
        return Heard(tuple(replies), self.gone if len(replies) < len(flight) else None, surplus)

    def hear(self, said: str) -> list[Reply]:
        ends = {
            "(closes)": Lost("the server closed the connection", handed_over=True),
            "(closes with our words unsent)": Lost("the connection broke", handed_over=False),
            "(says nothing)": Lost("no reply in time", handed_over=True),
            "(TLS fails)": Lost("TLS failed"),
        }
        if said in ends:
            self.gone = ends[said]
            return []
        try:
            return list(self.parser.feed(said.encode() + b"\r\n"))
        except MalformedReply as error:
            self.gone = Lost(str(error), handed_over=True)
            return []

    def expect(self, line: str) -> None:
        assert self.rest, f"the script ends, and the client has {line!r}"
        wanted = self.rest.pop(0)
        # A script names as much of a verdict as it is about.
        assert line == wanted or (wanted.startswith("= ") and f"{line} ".startswith(f"{wanted} ")), (line, wanted)


def _said(command: Command) -> str:
    if isinstance(command, Bdat):
        return f"BDAT {len(command.octets)} LAST (letter)"
    if isinstance(command, Content):
        return "(letter)"
    return "." if isinstance(command, NoContent) else command.line() or "(nothing)"


def _failure_line(failure: Failure) -> str:
    code = f" {failure.reply.code}" if failure.reply else ""
    return f"= failed {failure.cause}{code} {failure.note}"


def _verdict_line(verdict: Verdict) -> str:
    refusal = classify(verdict.reply, verdict.stage) if verdict.reply else None
    cause = verdict.cause or (refusal.cause if refusal else None)
    code = str(verdict.reply.code) if verdict.reply else verdict.enhanced
    return " ".join(filter(None, ("=", verdict.recipient, str(verdict.fate), code, cause)))
