"""What domains publish, as a book of records by name and kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from postroom.delivery.sts import Policy
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx


@dataclass
class Book:
    """A `Published`; what isn't in it isn't there."""

    records: dict[tuple[str, str], Any]

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer:
        found: MxFound | NullMx | NoAnswer | None = self.records.get((domain, "MX"))
        return found or NoDomain(f"There is no domain {domain} in DNS")

    def texts(self, name: str) -> tuple[str, ...] | NoAnswer:
        return self._read(name, "TXT")

    def addresses(self, host: str, version: int) -> tuple[str, ...] | NoAnswer:
        return self._read(host, "A" if version == 4 else "AAAA")

    def pointer(self, address: str) -> tuple[str, ...] | NoAnswer:
        return self._read(address, "PTR")

    def certificates(self, host: str, port: int) -> int | NoAnswer:
        assert port == 25
        found: int | NoAnswer = self.records.get((host, "TLSA"), 0)
        return found

    def policy(self, domain: str) -> Policy | NoAnswer | None:
        return self.records.get((domain, "STS"))

    def _read(self, name: str, kind: str) -> tuple[str, ...] | NoAnswer:
        found: tuple[str, ...] | NoAnswer = self.records.get((name, kind), ())
        return found
