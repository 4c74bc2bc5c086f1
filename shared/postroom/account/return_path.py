"""A domain of a sending domain's own for MAIL FROM, so that SPF speaks for it too (RFC 7489 §3.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from postroom.account.dns_record import DnsRecord, Finding, Sight


@dataclass(frozen=True, slots=True)
class ReturnPath:
    """It is used once its MX was seen: servers refuse mail from a domain that takes none."""

    domain: str
    exchangers: tuple[tuple[int, str], ...]  # preference and host of each server that takes the reports
    in_use: bool = False

    @property
    def records(self) -> tuple[DnsRecord, ...]:
        return tuple(
            DnsRecord("SPF", "MX", self.domain, host, preference, note="reports of letters that bounce go there")
            for preference, host in self.exchangers
        )

    def after(self, found: Mapping[str, Finding]) -> ReturnPath:
        """The return path after a look at records, by their keys. A silence of DNS changes nothing."""
        sights = {found[each.key].sight for each in self.records if each.key in found}
        if not sights or Sight.SILENT in sights:
            return self
        return replace(self, in_use=sights == {Sight.THERE})

    def stored(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "exchangers": [list(each) for each in self.exchangers],
            "in_use": self.in_use,
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> ReturnPath:
        exchangers = tuple((preference, host) for preference, host in stored["exchangers"])
        return cls(stored["domain"], exchangers, stored["in_use"])
