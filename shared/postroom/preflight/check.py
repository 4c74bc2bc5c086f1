"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postroom.smtp.transcript import escaped


class Status(StrEnum):
    PASS = "pass"  # noqa: S105  no password
    WARN = "warn"  # mail suffers from it, or it couldn't be looked at
    FAIL = "fail"  # mail is refused or lost for it


@dataclass(frozen=True, slots=True)
class Check:
    check: str
    status: Status
    detail: str  # one line, safe to print: others' words stand in it


def passed(check: str, detail: str) -> Check:
    return Check(check, Status.PASS, escaped(detail))


def warned(check: str, detail: str) -> Check:
    return Check(check, Status.WARN, escaped(detail))


def failed(check: str, detail: str) -> Check:
    return Check(check, Status.FAIL, escaped(detail))
