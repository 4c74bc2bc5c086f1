"""MTA-STS: what a domain's policy says, and which mail servers it covers (RFC 8461).

Reading is by the grammar. A policy that doesn't keep to it is none, and what the grammar leaves to the future is
passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from postroom.delivery.record import Record, times

LARGEST = 64 * 1024  # octets of a policy (RFC 8461 §3.3)
LONGEST = 31_557_600  # seconds that a policy may live: a year (RFC 8461 §3.2)

SHORTEST = timedelta(minutes=10)  # a shorter life would have us ask for every letter
REFRESH = timedelta(days=1)  # RFC 8461 §3.3: whoever hides an update from us must do so for long


class BadPolicy(ValueError):
    """Not a policy; the text says what is wrong with it."""


class Mode(StrEnum):
    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    mode: Mode
    mx: tuple[str, ...]  # patterns in lower case: a host, or `*.` and a domain
    max_age: int  # seconds, `LONGEST` at most

    @classmethod
    def parse(cls, octets: bytes) -> Policy:
        """A policy as its host serves it (RFC 8461 §3.2). Raises `BadPolicy`."""
        if len(octets) > LARGEST:
            raise BadPolicy(f"it has more than {LARGEST} octets")
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadPolicy("it is not UTF-8") from error
        fields: dict[str, str] = {}
        mx: list[str] = []
        for line in re.split(r"\r?\n", text):
            if not line.strip(" \t"):
                continue  # stands in no grammar and at the end of many a file
            match = _FIELD.fullmatch(line)
            if match is None:
                raise BadPolicy(f"this line is not a field: {line[:100]!r}")
            name, value = match["name"], match["value"]
            if name == "mx":
                mx.append(_pattern(value))
            else:
                fields.setdefault(name, value)  # the first one counts
        if fields.get("version") != "STSv1":
            raise BadPolicy("its version is not STSv1")
        if fields.get("mode") not in list(Mode):
            raise BadPolicy("its mode is not enforce, testing or none")
        if not re.fullmatch("[0-9]{1,10}", fields.get("max_age", "")):
            raise BadPolicy("its max_age is not a number of seconds")
        mode = Mode(fields["mode"])
        if not mx and mode is not Mode.NONE:
            raise BadPolicy("it names no mx")
        return cls(mode, tuple(mx), min(int(fields["max_age"]), LONGEST))

    def covers(self, host: str) -> bool:
        """Whether a pattern matches this mail server; `*.` stands for exactly one label (RFC 8461 §4.1)."""
        name = host.lower().rstrip(".")
        label, _, parent = name.partition(".")
        return name in self.mx or (bool(label and parent) and f"*.{parent}" in self.mx)


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy as it was fetched, and the id that announced it."""

    id: str
    policy: Policy
    fetched_at: datetime

    @property
    def ends_at(self) -> datetime:
        return self.fetched_at + self._life

    @property
    def refresh_at(self) -> datetime:
        """When to fetch it again although its id is still the same, well before it ends."""
        return self.fetched_at + min(self._life / 2, REFRESH)

    @property
    def _life(self) -> timedelta:
        return max(timedelta(seconds=self.policy.max_age), SHORTEST)

    def record(self) -> Record:
        policy = {"mode": str(self.policy.mode), "mx": list(self.policy.mx), "max_age": self.policy.max_age}
        return {"id": self.id, "fetched_at": self.fetched_at.isoformat(), **policy}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Kept:
        fields = times(dict(record), "fetched_at")
        policy = Policy(Mode(fields["mode"]), tuple(fields["mx"]), fields["max_age"])
        return cls(fields["id"], policy, fields["fetched_at"])


_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MX = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,31}"
# A field has a name, a colon and a value: visible characters, of UTF-8 too, with spaces only between them.
_SEEN = r"!-~\x80-\U0010ffff"
_FIELD = re.compile(rf"(?P<name>{_NAME}):[ \t]*(?P<value>[{_SEEN}](?:[ {_SEEN}]*[{_SEEN}])?)[ \t]*")


def _pattern(value: str) -> str:
    if len(value) > 255 or not _MX.fullmatch(value):
        raise BadPolicy(f"this mx is not a host: {value[:100]!r}")
    return value.lower()


_END = r"[ \t]*;[ \t]*"
_RECORD = re.compile(rf"v=STSv1(?:{_END}{_NAME}=[!-:<>-~]+)+(?:{_END})?")


def policy_id(texts: Iterable[str]) -> str | None:
    """The id that the TXT records at `_mta-sts.<domain>` announce, or None where they announce no policy.

    RFC 8461 §3.1: of the records that begin as its version does there must be exactly one, and it must keep to the
    grammar. Of several ids in it the first counts.
    """
    records = [text for text in texts if re.match(r"v=STSv1[ \t]*;", text)]
    if len(records) != 1 or not _RECORD.fullmatch(records[0]):
        return None
    found = re.search(r";[ \t]*id=([!-:<>-~]+)", records[0])
    return found[1] if found and re.fullmatch("[A-Za-z0-9]{1,32}", found[1]) else None
