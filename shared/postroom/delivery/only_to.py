"""Who alone may be written to: what keeps a deployment for tests from writing to people."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.message.address import Mailbox, parse_domain


@dataclass(frozen=True, slots=True)
class OnlyTo:
    """Recipients by their look-up keys, and domains of which every recipient may be written to."""

    addresses: frozenset[str]
    domains: frozenset[str]  # A-labels in lower case; what lies below them isn't meant

    @classmethod
    def parse(cls, text: str) -> OnlyTo:
        """Addresses and domains, comma separated. Raises ValueError that names the one that is neither."""
        addresses, domains = set(), set()
        for part in filter(None, map(str.strip, text.split(","))):
            try:
                if "@" in part:
                    addresses.add(Mailbox.parse(part).key)
                else:
                    domains.add(parse_domain(part))
            except ValueError as error:
                raise ValueError(f"{part!r} is neither an address nor a domain: {error}") from error
        if not addresses and not domains:
            raise ValueError("it names nobody")
        return cls(frozenset(addresses), frozenset(domains))

    def allows(self, mailbox: Mailbox) -> bool:
        return mailbox.domain in self.domains or mailbox.key in self.addresses
