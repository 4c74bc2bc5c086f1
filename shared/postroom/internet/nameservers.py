"""DNS by dnspython: one question to the configured name servers, and what came of it.

The servers are resolvers, which follow CNAMEs and ask other servers. Nothing that they answer raises or hangs: an
answer is 64 KiB at most, a chain of CNAMEs 16, and a question ends with its lifetime.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import cached_property

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from postroom.internet.answer import Answer, Silence

LIFETIME = 10.0
"""Seconds for one question with all its retries; a last retry may take four more."""

PAYLOAD = 1232  # octets of an answer by UDP that no path breaks up

MOST_RECORDS = 100  # of one answer: more is no mail server's

SHORTEST, LONGEST = 5.0, 3600.0  # seconds that an answer holds, whatever it says of itself
LONGEST_NEGATIVE = 300.0  # a domain that was set up just now has a letter on its way


class Nameservers:
    """Resolvers by address and port, none: the system's. `trusted`: what they say of DNSSEC counts."""

    def __init__(
        self, places: Sequence[tuple[str, int]] = (), *, trusted: bool = False, lifetime: float = LIFETIME
    ) -> None:
        self._places = tuple(places)
        self._trusted = trusted
        self._lifetime = lifetime

    def ask(self, name: str, kind: str) -> Answer | Silence:
        """The records of that kind, such as `MX`, under a name without its last dot."""
        try:
            question = dns.name.from_text(name, dns.name.root)
        except dns.exception.DNSException:  # what can't be said in DNS isn't there
            return Answer(exists=False, name=name, seconds=LONGEST)
        try:
            said = self._resolver.resolve(question, kind, raise_on_no_answer=False, lifetime=self._lifetime)
            response, chain = said.response, said.chaining_result
        except dns.resolver.NXDOMAIN as error:
            response = error.response(question)  # type: ignore[no-untyped-call]  # dnspython's own omission
            chain = response.resolve_chaining()
        except dns.resolver.NoResolverConfiguration:
            return Silence("this system names no DNS server to ask, and POSTROOM_RESOLVERS neither")
        except dns.exception.DNSException as error:
            return Silence(_why(error))
        records = chain.answer.processing_order()[:MOST_RECORDS] if chain.answer else []
        if not records and _referral(response):
            return Silence(f"the server refers {name} to others: it is no resolver, or not for us")
        longest = LONGEST if records else LONGEST_NEGATIVE  # RFC 2308 §5
        return Answer(
            exists=response.rcode() != dns.rcode.NXDOMAIN,
            records=tuple(records),
            name=chain.canonical_name.to_text(omit_final_dot=True).lower(),
            secure=self._trusted and bool(response.flags & dns.flags.AD),
            seconds=min(max(SHORTEST, chain.minimum_ttl), longest),
            octets=len(response.wire or b""),
        )

    @cached_property
    def _resolver(self) -> dns.resolver.Resolver:
        """Made at the first question: reading the system's configuration may fail, and not every route asks DNS."""
        made = dns.resolver.Resolver(configure=not self._places)
        places = self._places or [(str(each), made.port) for each in made.nameservers]
        made.nameservers = [_Server(host, port) for host, port in places]
        if self._trusted:  # RFC 6840 §5.7: AD in a question asks for AD in the answer
            made.use_edns(0, dns.flags.DO, PAYLOAD)
            made.flags = dns.flags.RD | dns.flags.AD
        return made


def _why(error: dns.exception.DNSException) -> str:
    """What each server did, in its last try."""
    tries = getattr(error, "kwargs", {}).get("errors", ())
    servers = {server: _failure(failure) for server, _, _, failure, _ in tries}
    return "; ".join(f"{server} {what}" for server, what in servers.items()) or " ".join(str(error).split())[:300]


def _failure(failure: Exception | str) -> str:
    if isinstance(failure, str):
        return f"answered {failure}"
    if isinstance(failure, dns.exception.Timeout):
        return "didn't answer in time"
    if isinstance(failure, OSError) and failure.strerror:
        return f"can't be asked: {failure.strerror}"
    return f"answered what makes no sense ({type(failure).__name__})"


def _referral(response: dns.message.Message) -> bool:
    """Whether it names other servers only, which says nothing about the name (RFC 2308 §2.2)."""
    kinds = {each.rdtype for each in response.authority}
    return response.rcode() == dns.rcode.NOERROR and dns.rdatatype.NS in kinds and dns.rdatatype.SOA not in kinds


class _Server(dns.nameserver.Do53Nameserver):
    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        source: str | None,
        source_port: int,
        max_size: bool,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """One question by UDP, or by TCP where `max_size` says so.

        What comes by UDP and doesn't fit is damaged or forged. Whoever waits for the true answer may have to wait in a
        flood without end; asked by TCP, nobody can forge it from aside (RFC 5452 §9.3).
        """
        if not max_size:
            try:
                response = dns.message.from_wire(self._datagram(request.to_wire(), timeout), raise_on_truncation=True)
                if request.is_response(response):
                    return response
            except (dns.message.Truncated, dns.message.UnknownTSIGKey, dns.exception.FormError):
                pass
        whole = super().query(request, timeout, source, source_port, True, one_rr_per_rrset, ignore_trailing)
        if whole.flags & dns.flags.TC:  # cut short where there is room for all: nothing is known of the rest
            raise dns.exception.FormError
        return whole

    def _datagram(self, wire: bytes, timeout: float) -> bytes:
        """The first that comes back. The port is the kernel's choice, which is hard to guess (RFC 5452 §9.2)."""
        with socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            # Connected, it hears that server alone, and at once where nobody listens there.
            sock.connect((self.address, self.port))
            sock.send(wire)
            try:
                return sock.recv(65535)
            except TimeoutError as error:
                raise dns.exception.Timeout from error
