"""An SPF record, taken apart: its mechanisms and its redirect (RFC 7208 §4.5, §4.6, §12)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from postroom.account.spf.macros import is_domain, is_string

LONGEST_TERM = 500  # characters; a name has 253 at most, and reading a term costs the square of its length

Qualifier = Literal["+", "-", "~", "?"]
Network = IPv4Network | IPv6Network


class BadRecord(ValueError):
    """What is published doesn't keep to the grammar; the text names the term."""


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One directive. Which of the rest has a meaning depends on its kind."""

    text: str  # as it was published
    qualifier: Qualifier
    kind: str  # all, include, a, mx, ptr, ip4, ip6 or exists
    domain: str = ""  # a domain-spec; empty: the record's own domain
    network: Network | None = None  # of ip4 and ip6
    prefixes: tuple[int, int] = (32, 128)  # of a and mx: how much of an IPv4 and an IPv6 address counts


@dataclass(frozen=True, slots=True)
class Record:
    mechanisms: tuple[Mechanism, ...]
    redirect: str | None = None  # a domain-spec


def record_of(texts: Iterable[str]) -> str | None:
    """The SPF record among the TXT records of a name. Raises `BadRecord` where there are several."""
    found = [text for text in texts if re.match(r"v=spf1(?: |\Z)", text, re.IGNORECASE)]
    if len(found) > 1:
        raise BadRecord(f"there are {len(found)} SPF records, and only one may be")
    return found[0] if found else None


def parse(text: str) -> Record:
    """The record, all of whose terms must be right, also those that nobody would come to. Raises `BadRecord`."""
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in filter(None, text.split(" ")[1:]):
        if len(term) > LONGEST_TERM:
            raise BadRecord(f"{term[:40]!r}... is longer than any term can be")
        modifier = re.fullmatch(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", term, re.DOTALL)
        if modifier is None:
            mechanisms.append(_mechanism(term))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise BadRecord(f"{name}= stands there twice")
            if not is_domain(value):
                raise BadRecord(f"{term!r} names no domain")
            modifiers[name] = value
        elif not is_string(value):  # unknown modifiers are passed over, if they keep to the grammar
            raise BadRecord(f"{term!r} is no modifier")
    return Record(tuple(mechanisms), modifiers.get("redirect"))


def with_terms(text: str, terms: Iterable[str]) -> str:
    """The record with those of the mechanisms that it doesn't hold, in front, where they are met first."""
    version, *there = text.split()
    missing = [term for term in terms if not holds(there, term)]
    return " ".join([version, *missing, *there])


def holds(terms: Iterable[str], wanted: str) -> bool:
    """Whether a mechanism that passes is among the terms, word for word."""
    return wanted.lower() in (term.lower().removeprefix("+") for term in terms)


def mechanisms(text: str) -> tuple[str, ...]:
    """Mechanisms that are to pass, as an operator writes them down. Raises `BadRecord`."""
    found = parse(f"v=spf1 {text}")
    for each in found.mechanisms:
        if each.qualifier != "+" or each.kind == "all":
            raise BadRecord(f"{each.text!r} doesn't say who may send")
    if found.redirect is not None or not found.mechanisms:
        raise BadRecord(f"{text!r} holds no mechanism such as ip4:192.0.2.1 or include:spf.example.com")
    return tuple(each.text.removeprefix("+") for each in found.mechanisms)


_TERM = re.compile(r"(?P<qualifier>[-+?~]?)(?P<kind>[A-Za-z][A-Za-z0-9]*)(?P<rest>[:/].*)?", re.DOTALL)
# A `/` may stand in a macro, so the prefixes are looked for from the end.
_WITH_PREFIXES = re.compile(
    r"(?::(?P<domain>.+?))?(?:/(?P<v4>0|[1-9][0-9]?))?(?://(?P<v6>0|[1-9][0-9]{0,2}))?", re.DOTALL
)


def _mechanism(term: str) -> Mechanism:
    match = _TERM.fullmatch(term)
    if match is None:
        raise BadRecord(f"{term!r} is no mechanism")
    qualifier: Qualifier = match["qualifier"] or "+"  # type: ignore[assignment]  # the pattern allows no other
    kind, rest = match["kind"].lower(), match["rest"] or ""
    match kind:
        case "all" if not rest:
            return Mechanism(term, qualifier, kind)
        case "include" | "exists" if rest[:1] == ":" and is_domain(rest[1:]):
            return Mechanism(term, qualifier, kind, rest[1:])
        case "ptr" if not rest or (rest[0] == ":" and is_domain(rest[1:])):
            return Mechanism(term, qualifier, kind, rest[1:])
        case "a" | "mx":
            return _with_prefixes(term, qualifier, kind, rest)
        case "ip4" | "ip6" if rest[:1] == ":":
            return Mechanism(term, qualifier, kind, network=_network(term, kind, rest[1:]))
        case "all" | "include" | "exists" | "ptr" | "ip4" | "ip6":
            raise BadRecord(f"{term!r} is not how {kind} is written")
        case _:
            raise BadRecord(f"there is no mechanism {kind!r}")


def _with_prefixes(term: str, qualifier: Qualifier, kind: str, rest: str) -> Mechanism:
    match = _WITH_PREFIXES.fullmatch(rest)
    if match is None or (match["domain"] is not None and not is_domain(match["domain"])):
        raise BadRecord(f"{term!r} is not how {kind} is written")
    prefixes = int(match["v4"] or 32) if match["v4"] != "0" else 0, int(match["v6"] or 128) if match["v6"] != "0" else 0
    if prefixes[0] > 32 or prefixes[1] > 128:
        raise BadRecord(f"the prefix of {term!r} is longer than an address")
    return Mechanism(term, qualifier, kind, match["domain"] or "", prefixes=prefixes)


def _network(term: str, kind: str, text: str) -> Network:
    address, slash, prefix = text.partition("/")
    if slash and not re.fullmatch("0|[1-9][0-9]{0,2}", prefix):
        raise BadRecord(f"{term!r} has no prefix behind its slash")
    try:
        if kind == "ip4":
            return IPv4Network((IPv4Address(address), int(prefix or "32")), strict=False)
        if "%" in address:
            raise AddressValueError("a zone has no place here")
        return IPv6Network((IPv6Address(address), int(prefix or "128")), strict=False)
    except ValueError as error:
        raise BadRecord(f"{term!r} names no network") from error
