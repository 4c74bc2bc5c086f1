"""Whether an address may send for a domain: the evaluation of SPF as a generator of DNS questions (RFC 7208 §4).

It yields a `Question` and is sent the answer, so that no DNS is in here.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Literal, TypeVar

from postroom.account.spf.macros import Sender, expanded
from postroom.account.spf.record import BadRecord, Mechanism, parse, record_of

T = TypeVar("T")

MOST_LOOKUPS = 10  # terms that ask DNS, RFC 7208 §4.6.4
MOST_VOID = 2  # questions to which there is no record, the same section
MOST_HOSTS = 10  # of an mx, and names of a ptr, the same section

Kind = Literal["TXT", "A", "AAAA", "MX", "PTR"]


@dataclass(frozen=True, slots=True)
class Question:
    """Texts, addresses or host names by kind; of PTR the name is the address itself, of MX no implicit one counts."""

    kind: Kind
    name: str


Answer = tuple[str, ...] | None
"""The records, none where there are none or no such name; None where DNS didn't answer."""

Asking = Generator[Question, Answer, T]


class Result(StrEnum):
    """RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105  a word of the standard, and no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_RESULTS = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


@dataclass(frozen=True, slots=True)
class Spf:
    result: Result
    why: str  # the term that decided and whose it is, or what is wrong
    lookups: int = 0  # of the ten


class _Permanent(Exception):
    """The record is wrong, or asks for too much."""


class _Temporary(Exception):
    """DNS didn't answer."""


def check(address: str, domain: str, helo: str, local: str = "postmaster") -> Asking[Spf]:
    """What the SPF record of `domain`, that of a return path, says of mail that comes from `address`."""
    evaluation = _Evaluation(Sender(ip_address(address), local, domain, helo))
    try:
        found = yield from evaluation.of(domain)
    except _Permanent as error:
        return Spf(Result.PERMERROR, str(error), evaluation.lookups)
    except _Temporary as error:
        return Spf(Result.TEMPERROR, str(error), evaluation.lookups)
    if found is None:
        return Spf(Result.NONE, f"{domain} publishes no SPF record", evaluation.lookups)
    return Spf(*found, evaluation.lookups)


class _Evaluation:
    """One check, with what it has used up of the limits."""

    def __init__(self, sender: Sender) -> None:
        self.lookups = 0
        self._void = 0
        self._sender = sender
        self._kind: Kind = "A" if sender.address.version == 4 else "AAAA"

    def of(self, domain: str) -> Asking[tuple[Result, str] | None]:
        """What the record of `domain` says and which term of it; None where there is no record."""
        texts = yield Question("TXT", domain)
        if texts is None:
            raise _Temporary(f"DNS didn't say what SPF record {domain} has")
        try:
            text = record_of(texts)
            if text is None:
                return None
            record = parse(text)
        except BadRecord as error:
            raise _Permanent(f"the SPF record of {domain} is wrong: {error}") from error
        for mechanism in record.mechanisms:
            if (yield from self._matches(mechanism, domain)):
                return _RESULTS[mechanism.qualifier], f"{mechanism.text!r} in the SPF record of {domain}"
        if record.redirect is None:
            return Result.NEUTRAL, f"no term in the SPF record of {domain} speaks of this address"  # RFC 7208 §4.7
        self._count(f"redirect={record.redirect}", domain)
        target = expanded(record.redirect, self._sender, domain)
        found = yield from self.of(target)
        if found is None:  # RFC 7208 §6.1
            raise _Permanent(f"the SPF record of {domain} leads to that of {target}, and there is none")
        return found

    def _matches(self, mechanism: Mechanism, domain: str) -> Asking[bool]:
        match mechanism.kind:
            case "all":
                return True
            case "ip4" | "ip6":
                return mechanism.network is not None and self._sender.address in mechanism.network
        self._count(mechanism.text, domain)
        target = expanded(mechanism.domain, self._sender, domain) if mechanism.domain else domain
        match mechanism.kind:
            case "include":
                return (yield from self._include(target, domain))
            case "a":
                return (yield from self._host(target, mechanism))
            case "mx":
                return (yield from self._mx(target, mechanism))
            case "exists":
                return bool((yield from self._asked(Question("A", target))))  # whatever the sender's family is
            case _:
                return (yield from self._ptr(target))

    def _include(self, target: str, domain: str) -> Asking[bool]:
        found = yield from self.of(target)
        if found is None:  # RFC 7208 §5.2
            raise _Permanent(f"the SPF record of {domain} includes that of {target}, and there is none")
        return found[0] is Result.PASS

    def _host(self, host: str, mechanism: Mechanism) -> Asking[bool]:
        prefix = mechanism.prefixes[0 if self._sender.address.version == 4 else 1]
        for address in (yield from self._asked(Question(self._kind, host))):
            if self._sender.address in ip_network((address, prefix), strict=False):
                return True
        return False

    def _mx(self, target: str, mechanism: Mechanism) -> Asking[bool]:
        hosts = yield from self._asked(Question("MX", target))
        if len(hosts) > MOST_HOSTS:
            raise _Permanent(f"{mechanism.text!r} leads to more than {MOST_HOSTS} mail servers")
        for host in filter(None, hosts):
            if (yield from self._host(host, mechanism)):
                return True
        return False

    def _ptr(self, target: str) -> Asking[bool]:
        """RFC 7208 §5.5: by a name that leads back to the address. What DNS doesn't answer here is no match."""
        try:
            names = yield from self._asked(Question("PTR", str(self._sender.address)))
        except _Temporary:
            return False
        for name in names[:MOST_HOSTS]:
            if name == target or name.endswith(f".{target}"):
                try:
                    back = yield from self._asked(Question(self._kind, name))
                except _Temporary:
                    continue
                if self._sender.address in map(ip_address, back):
                    return True
        return False

    def _asked(self, question: Question) -> Asking[tuple[str, ...]]:
        answer = yield question
        if answer is None:
            raise _Temporary(f"DNS didn't say what {question.kind} records {question.name} has")
        if not answer:
            self._void += 1
            if self._void > MOST_VOID:
                why = f"more than {MOST_VOID} of its terms lead to names that have no record, {question.name} the last"
                raise _Permanent(why)
        return answer

    def _count(self, term: str, domain: str) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Permanent(f"it takes more than {MOST_LOOKUPS} lookups; {term!r} of {domain} is one too many")
