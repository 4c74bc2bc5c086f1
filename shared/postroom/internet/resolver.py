"""DNS by dnspython: where a domain's mail goes, and the addresses of a host."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from postroom.delivery.routing import Exchanger
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx

LIFETIME = 10.0  # seconds for one question with all its retries


def literal(host: str) -> tuple[str, ...]:
    """The addresses of a host that needs no DNS: an address, or this machine by its name; else none."""
    if host == "localhost":  # RFC 6761 §6.3: never asked of DNS
        return ("127.0.0.1", "::1")
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return ()


class DnsResolver:
    """A `Resolver`; `nameservers` are addresses with ports, none: the system's."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = ()) -> None:
        self._nameservers = tuple(nameservers)
        self._made: dns.resolver.Resolver | None = None

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer:
        """RFC 5321 §5.1: the MX records; the domain itself only where there is no MX at all."""
        try:
            answer = self._resolver().resolve(f"{domain}.", "MX", lifetime=LIFETIME)
        except dns.resolver.NXDOMAIN:
            return NoDomain(f"There is no domain {domain} in DNS")
        except dns.resolver.NoAnswer:
            return self._implicit(domain)
        except dns.exception.DNSException as error:  # SERVFAIL and timeouts never lead to the implicit MX
            return NoAnswer(f"DNS didn't say where mail for {domain} goes: {error}")
        found = [Exchanger(record.preference, record.exchange.to_text(omit_final_dot=True)) for record in answer]
        if any(each.host in (".", "") for each in found):  # RFC 7505 §3: a null MX stands alone
            return NullMx() if len(found) == 1 else MxFound(tuple(each for each in found if each.host not in (".", "")))
        return MxFound(tuple(found))

    def addresses(self, host: str) -> tuple[str, ...]:
        """All addresses of a host, IPv6 and IPv4 in turns. Raises `LookupError` where there are none."""
        if addresses := literal(host):
            return addresses
        v6, v4 = (self._records(host, kind) for kind in ("AAAA", "A"))
        turns = [address for pair in zip(v6, v4, strict=False) for address in pair]
        rest = v6[len(v4) :] or v4[len(v6) :]
        if not (turns or rest):
            raise LookupError(f"DNS has no address for {host}")
        return (*turns, *rest)

    def _implicit(self, domain: str) -> MxFound | NoDomain | NoAnswer:
        try:
            self.addresses(domain)
        except LookupError as error:
            if isinstance(error.__cause__, dns.exception.DNSException):
                return NoAnswer(str(error))
            return NoDomain(f"{domain} has neither a mail server nor an address in DNS")
        return MxFound((Exchanger(0, domain),))

    def _records(self, host: str, kind: str) -> list[str]:
        try:
            answer = self._resolver().resolve(f"{host}.", kind, lifetime=LIFETIME)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise LookupError(f"DNS didn't say what address {host} has: {error}") from error
        return [record.address for record in answer]

    def _resolver(self) -> dns.resolver.Resolver:
        """Made at the first question: reading the system's configuration may fail, and not every route asks DNS."""
        if self._made is None:
            made = dns.resolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                made.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._nameservers]
            self._made = made
        return self._made
