"""What is promised for every fault of a destination server, as outcomes.toml has it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate
from tests.doubles.hostile import Fault, Script, Stage


class Mode(StrEnum):
    """How a letter is said: by what the server offers, and whether the letter's end is to be marked."""

    ONE_FLIGHT = "one flight"
    ENVELOPE_FIRST = "envelope first"
    PIPELINED = "pipelined"
    ONE_BY_ONE = "one by one"

    @property
    def offers(self) -> tuple[str, ...]:
        chunks = ("PIPELINING", "CHUNKING")
        return {Mode.PIPELINED: ("PIPELINING",), Mode.ONE_BY_ONE: ()}.get(self, chunks)


_ANY = tuple(Mode)
_DOT = (Mode.ENVELOPE_FIRST, Mode.PIPELINED, Mode.ONE_BY_ONE)
_CHUNK = (Mode.ONE_FLIGHT,)
_BEFORE = (Mode.ONE_FLIGHT,)  # no mode is known yet
_MODES = {
    "connect": _BEFORE,
    "banner": _BEFORE,
    "ehlo": _BEFORE,
    "helo": _BEFORE,  # after EHLO was refused
    "starttls": _BEFORE,
    "handshake": _BEFORE,
    "ehlo_again": _BEFORE,  # under TLS
    "auth": _BEFORE,
    "mail": _ANY,
    "second_mail": _ANY,
    "rcpt": _ANY,
    "data": _DOT,
    "letter": _DOT,
    "bdat": _CHUNK,
    "dot": _DOT,
    "quit": _ANY,
}
"""The places of outcomes.toml, and the modes in which a session comes to them."""


@dataclass(frozen=True)
class Case:
    """One fault in one place of a session of one mode, and what is to become of the letter."""

    place: str
    fault: Fault
    mode: Mode
    tls: Security | None
    fates: tuple[Fate, Fate]  # of the letter's two recipients
    causes: tuple[str | None, ...]  # that the second's fate may have
    elsewhere: bool

    def __str__(self) -> str:
        return f"{self.mode}: {self.place} {self.fault}{f' ({self.tls})' if self.tls else ''}"

    @property
    def letters(self) -> int:
        return 2 if self.place.startswith("second_") else 1

    @property
    def script(self) -> Script:
        match self.place:
            case "second_mail":
                return {(Stage.MAIL, 1): self.fault}
            case "rcpt":
                return {(Stage.RCPT, 1): self.fault}
            case "ehlo_again":
                return {(Stage.EHLO, 1): self.fault}
            case "helo":
                return {(Stage.EHLO, 0): Fault.REFUSE, (Stage.HELO, 0): self.fault}
            case place:
                return {(Stage(place), 0): self.fault}


def cases() -> list[Case]:
    """Every case of outcomes.toml; none of them twice."""
    found: dict[str, Case] = {}
    for outcome in _read()["outcome"]:
        for at in outcome["at"]:
            assert at.keys() <= {"modes", "tls", "cause", *_MODES}, f"outcomes.toml has a place that nobody plays: {at}"
            for case in _played(outcome, at):
                assert str(case) not in found, f"{case} stands twice in outcomes.toml"
                found[str(case)] = case
    return list(found.values())


def _played(outcome: dict[str, Any], at: dict[str, Any]) -> Iterator[Case]:
    fate = Fate(outcome["fate"])
    causes = at.get("cause", "")
    for place, modes in _MODES.items():
        for fault in (each for name in at.get(place, []) for each in _read()["sets"].get(name, [name])):
            for mode in modes:
                if mode in at.get("modes", list(Mode)):
                    yield Case(
                        place=place,
                        fault=Fault(fault),
                        mode=mode,
                        tls=Security(at["tls"]) if "tls" in at else None,
                        fates=(Fate(outcome.get("others", fate)), fate),
                        causes=tuple(each or None for each in (causes if isinstance(causes, list) else [causes])),
                        elsewhere=outcome.get("elsewhere", False),
                    )


def table() -> str:
    """The outcomes as the README has them: a line for each sentence."""
    lines = {
        f"| {outcome['when']} | {fate['becomes']} | {fate['again']} | {fate['copy']} |": None
        for outcome in _read()["outcome"]
        for fate in [_read()["fate"][outcome["fate"]]]
    }
    head = "| what the server does | the recipient becomes | tried again | a second copy |"
    return "\n".join([head, "|---|---|---|---|", *lines])


def in_doubt(fate: Fate) -> bool:
    """Whether the letter may be in the server's hands although nobody can know."""
    return bool(_read()["fate"][fate]["doubt"])


@cache
def _read() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("outcomes.toml").read_text("utf-8"))
