"""Where a domain's mail goes, the addresses of a host, and what else of DNS concerns mail."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic

from dns.name import Name
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from postroom.delivery.routing import Exchanger
from postroom.internet.answer import Answer, Silence
from postroom.internet.names import Names
from postroom.internet.nameservers import LIFETIME, Nameservers
from postroom.internet.tlsa import NoTlsa, TlsaFound, TlsaRecord
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx

# RFC 1123 §2.1, and the underscore that some hosts have; so no control character leaves DNS by way of a name.
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*", re.IGNORECASE)


def literal(host: str) -> tuple[str, ...]:
    """The addresses of a host that needs no DNS: an address, or this machine by its name; else none."""
    if host == "localhost":  # RFC 6761 §6.3: never asked of DNS
        return ("127.0.0.1", "::1")
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return ()


class Unanswered(LookupError):
    """DNS didn't answer; nothing may be concluded."""


@dataclass(frozen=True, slots=True)
class Located:
    """The addresses of a host, at least one, IPv6 and IPv4 in turns."""

    addresses: tuple[str, ...]
    name: str  # where CNAMEs led, which RFC 5321 §5.1 forbids for an MX and many have; else the host itself
    secure: bool = False  # DNSSEC vouches for them


@dataclass(frozen=True, slots=True)
class Published:
    """What DNSSEC vouches for of the certificates of a host, and the name that it is published under."""

    name: str
    records: tuple[TlsaRecord, ...] = ()


class DnsResolver:
    """A `Resolver`; `nameservers` are resolvers by address and port, none: the system's.

    `trust_ad` tells that they validate DNSSEC, and can be reached by nobody else: without it nothing is `secure`.
    What they answered is remembered for as long as it holds. Methods may be called from any thread.
    """

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        trust_ad: bool = False,
        clock: Callable[[], float] = monotonic,
        shuffle: Callable[[list[str]], None] = random.shuffle,
        lifetime: float = LIFETIME,
    ) -> None:
        self._names = Names(Nameservers(nameservers, trusted=trust_ad, lifetime=lifetime).ask, clock)
        self._trust_ad = trust_ad
        self._shuffle = shuffle

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer:
        """RFC 5321 §5.1: the MX records; the domain itself only where there is no MX at all."""
        answer = self._names(domain, "MX")
        if isinstance(answer, Silence):  # never leads to the implicit MX
            return NoAnswer(f"DNS didn't say where mail for {domain} goes: {answer.why}")
        if not answer.exists:
            return NoDomain(f"There is no domain {domain} in DNS")
        found = [Exchanger(record.preference, _text(record.exchange)) for record in answer.of(MX)]
        if not found:
            return self._implicit(domain, secure=answer.secure)
        if [each.host for each in found] == [""]:  # RFC 7505 §3: a null MX stands alone
            return NullMx()
        hosts = tuple(each for each in found if _HOST.fullmatch(each.host))
        if not hosts:
            return NoAnswer(f"The MX records of {domain} name no host: {', '.join(repr(e.host) for e in found[:5])}")
        return MxFound(hosts, secure=answer.secure)

    def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of `located`. Raises `LookupError` where there are none."""
        return self.located(host).addresses

    def located(self, host: str) -> Located:
        """All addresses of a host. Raises `LookupError` where there are none, or DNS didn't say."""
        if addresses := literal(host):
            return Located(addresses, host)
        said = [self._names(host, kind) for kind in ("AAAA", "A")]
        answers = [each for each in said if isinstance(each, Answer)]
        v6 = self._shuffled([record.address for each in answers for record in each.of(AAAA)])
        v4 = self._shuffled([record.address for each in answers for record in each.of(A)])
        if not (v6 or v4):
            silence = next((each for each in said if isinstance(each, Silence)), None)
            if silence is not None:
                raise Unanswered(f"DNS didn't say what address {host} has: {silence.why}")
            raise LookupError(f"DNS has no address for {host}")
        # One family may go unanswered, as where a server knows no AAAA: the other will do.
        turns = [address for pair in zip(v6, v4, strict=False) for address in pair]
        rest = v6[len(v4) :] or v4[len(v6) :]
        return Located((*turns, *rest), answers[0].name, all(each.secure for each in answers))

    def tlsa(self, host: str, port: int) -> TlsaFound | NoTlsa | NoAnswer:
        """What a host publishes of its certificates, to be asked of one whose addresses are `secure` (RFC 7672 §2.2.2).

        `NoAnswer` is what a forger would bring about too: the letter must wait (RFC 7672 §2.1.2). `host` is the name
        that CNAMEs led to, if DNSSEC vouches for it.
        """
        if not self._trust_ad:
            return NoTlsa()
        answer = self._names(f"_{port}._tcp.{host}", "TLSA")
        if isinstance(answer, Silence):
            return NoAnswer(f"DNS didn't say whether {host} publishes its certificate: {answer.why}")
        found = tuple(TlsaRecord(r.usage, r.selector, r.mtype, r.cert) for r in answer.of(TLSA))
        return TlsaFound(found) if found and answer.secure else NoTlsa()

    def published(self, host: str, port: int) -> Published:
        """What a host publishes of its certificates; nothing where the host itself is beyond the word of DNSSEC.

        Raises `LookupError` where DNS didn't say: then the host must not be asked (RFC 7672 §2.1.2).
        """
        located = self.located(host)
        if not located.secure:
            return Published(host)
        # RFC 7672 §2.2.3: where a chain of aliases leads to, and else the name that the MX has.
        for name in dict.fromkeys((located.name, host)):
            found = self.tlsa(name, port)
            if isinstance(found, NoAnswer):
                raise Unanswered(found.why)
            if isinstance(found, TlsaFound):
                return Published(name, found.records)
        return Published(host)

    def texts(self, name: str) -> tuple[str, ...]:
        """The TXT records of a name, each in one piece (RFC 7208 §3.3); octets beyond ASCII as Latin-1.

        None where there are none, or no such name. Raises `Unanswered`, a `LookupError`.
        """
        answer = self._answer(name, "TXT")
        return tuple(b"".join(record.strings).decode("latin-1") for record in answer.of(TXT))

    def pointer(self, address: str) -> tuple[str, ...]:
        """The names that the PTR records of an address give it. Raises `Unanswered`, a `LookupError`."""
        answer = self._answer(ip_address(address).reverse_pointer, "PTR")
        return tuple(_text(record.target) for record in answer.of(PTR))

    def of_version(self, host: str, version: int) -> tuple[str, ...]:
        """The addresses of IP version 4 or 6 that a name has. Raises `Unanswered`, a `LookupError`."""
        answer = self._answer(host, "A" if version == 4 else "AAAA")
        return (*(each.address for each in answer.of(A)), *(each.address for each in answer.of(AAAA)))

    def _answer(self, name: str, kind: str) -> Answer:
        answer = self._names(name, kind)
        if isinstance(answer, Silence):
            raise Unanswered(f"DNS didn't say what {kind} records {name} has: {answer.why}")
        return answer

    def _implicit(self, domain: str, *, secure: bool) -> MxFound | NoDomain | NoAnswer:
        try:
            self.located(domain)
        except Unanswered as error:
            return NoAnswer(str(error))
        except LookupError:
            return NoDomain(f"{domain} has neither a mail server nor an address in DNS")
        return MxFound((Exchanger(0, domain),), secure=secure, implicit=True)

    def _shuffled(self, addresses: list[str]) -> list[str]:
        """One answer serves many attempts, which shouldn't all go to the same address first."""
        self._shuffle(addresses)
        return addresses


def _text(name: Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removeprefix(".")
