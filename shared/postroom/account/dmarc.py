"""DMARC: what a domain wants done with letters that neither DKIM nor SPF vouch for (RFC 7489 §6.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from postroom.account.tags import BadTags, tags

POLICIES = ("none", "quarantine", "reject")
MOST_PARENTS = 4  # a name has few levels, and each costs a question


class BadPolicy(ValueError):
    """What is published is no DMARC policy; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Dmarc:
    policy: str  # none, quarantine or reject
    subdomains: str  # the same, for names below the one that publishes it
    strict_dkim: bool = False  # the signature's domain must be that of From itself
    strict_spf: bool = False  # the return path's domain must be

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Dmarc | None:
        """The policy among the TXT records at `_dmarc.<domain>`, or None. Raises `BadPolicy`."""
        records = [text for text in texts if re.match(r"\s*v\s*=\s*DMARC1\b", text)]
        if len(records) > 1:  # RFC 7489 §6.6.3
            raise BadPolicy(f"there are {len(records)} DMARC records, and only one may be")
        if not records:
            return None
        try:
            found = tags(records[0])
        except BadTags as error:
            raise BadPolicy(str(error)) from error
        if found.get("v") != "DMARC1":
            raise BadPolicy("its version is not DMARC1")
        policy = found.get("p", "").lower()
        if policy not in POLICIES:
            raise BadPolicy("its p= is not none, quarantine or reject")
        subdomains = found.get("sp", policy).lower()
        strict = {name: found.get(name, "r").lower() == "s" for name in ("adkim", "aspf")}
        # RFC 7489 §6.3: what is wrong behind p= counts as left out.
        return cls(policy, subdomains if subdomains in POLICIES else policy, strict["adkim"], strict["aspf"])


def places(domain: str) -> tuple[str, ...]:
    """The domains whose policy holds for `domain`, the nearest first.

    RFC 7489 §3.2 finds the one beside `domain` by a list of public suffixes. There is none here, so the names above it
    are taken one by one; a top-level domain is left out.
    """
    labels = domain.split(".")
    return tuple(".".join(labels[start:]) for start in range(max(1, len(labels) - 1)))[: 1 + MOST_PARENTS]


def aligned(sender: str, other: str, publisher: str, *, strict: bool) -> bool:
    """Whether `other`, of a signature or a return path, speaks for `sender`, the domain in From (RFC 7489 §3.1).

    `publisher` is where the policy was found. Relaxed, two domains that lie under the same one agree: under the
    publisher, or one under the other. Sisters below a name that publishes nothing can't be told from strangers without
    a list of public suffixes, and count as such.
    """
    if sender == other or strict:
        return sender == other
    above = publisher if _within(sender, publisher) else sender
    return _within(other, above) or _within(sender, other)


def _within(name: str, parent: str) -> bool:
    return name == parent or name.endswith(f".{parent}")
