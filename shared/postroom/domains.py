"""Sending domains: making, verifying, rotating and deleting them, for the API and for `postroom domains`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from postroom.account.dns_record import DnsRecord
from postroom.account.domain import OPPORTUNISTIC, DkimKey, SendingDomain
from postroom.account.publication import Egress, published_by
from postroom.account.return_path import ReturnPath
from postroom.account.seal import seal
from postroom.catalog import newest_first
from postroom.domain_register import DomainRegister, UnknownDomain
from postroom.message.address import LONGEST_DOMAIN, parse_domain
from postroom.message.dkim import SigningKey, record
from postroom.ports import MxFound, NoAnswer, Published
from postroom.verification import look

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
Kind = Literal["rsa", "ed25519"]


class InvalidDomain(ValueError):
    """The name can't be a sending domain; the text goes behind a colon."""


class InvalidReturnPath(ValueError):
    """The domain can't have this return path; the text goes behind a colon."""


class TakenDomain(ValueError):
    """The name is a sending domain already."""


class NoSeal(RuntimeError):
    """This deployment has no public key to seal DKIM keys to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingDomains:
    """What may be done with the sending domains of a deployment."""

    register: DomainRegister
    seal_public: str | None
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    randomness: Callable[[int], bytes]
    new_key: Callable[[Kind], bytes]  # a private key as PEM
    looking: Callable[[], Published]  # for each look, so that nothing is remembered from the last
    egress: Egress
    verifiable_for: timedelta  # a signature
    test_domain: str | None = None  # its recipients act out an outcome, and nobody writes from there

    def records(self, domain: SendingDomain) -> tuple[DnsRecord, ...]:
        """What the domain is to publish."""
        return published_by(domain, self.egress, self.clock(), self.verifiable_for)

    def named(self, name: str) -> SendingDomain:
        """Raises `InvalidDomain` or `UnknownDomain`."""
        domain = self.register.named(self._name(name))
        if domain is None:
            raise UnknownDomain(name)
        return domain

    def create(
        self,
        name: str,
        *,
        ed25519: bool = False,
        region: str | None = None,
        tls: str = OPPORTUNISTIC,
        return_path: str | None = None,
    ) -> SendingDomain:
        """Keep a domain that is not verified yet, with its keys; `return_path` is a label below it.

        Raises `InvalidDomain`, `InvalidReturnPath`, `TakenDomain` or `NoSeal`.
        """
        domain = self._name(name)
        path = None if return_path is None else self._return_path(return_path, domain)
        if self.register.named(domain) is not None:
            raise TakenDomain(domain)
        kinds: tuple[Kind, ...] = ("rsa", "ed25519") if ed25519 else ("rsa",)
        keys = tuple(self._key(domain, kind) for kind in kinds)
        made = self.register.add(
            SendingDomain(self._id(), domain, False, self.clock(), keys, region, tls, path),
        )
        if made is None:
            raise TakenDomain(domain)
        return made

    def vouch(self, name: str, selector: str, pem: bytes | None) -> SendingDomain:
        """Keep a domain, verified by whoever may call this, or one more key of it, which signs at once.

        Without `pem` an RSA key is made. Raises ValueError where the name or the key can't be used, or where the
        domain has a key under this selector: another one in its place would void every signature until DNS follows.
        """
        domain = self._name(name)
        if not LABEL.fullmatch(selector):
            raise ValueError(f"{selector!r} can't be a DKIM selector: it must be one label of a domain name")
        key = replace(self._sealed(domain, selector, pem or self.new_key("rsa")), signs=True)

        def with_key(known: SendingDomain) -> SendingDomain:
            _refuse_twice(known, selector)
            return replace(known.with_keys([key]), verified=True)

        while True:
            known = self.register.named(domain)
            if known is not None:
                return self.register.change(known.id, with_key)
            made = self.register.add(SendingDomain(self._id(), domain, True, self.clock(), (key,)))
            if made is not None:
                return made

    def change(self, id_: str, *, tls: str) -> SendingDomain:
        """Raises `UnknownDomain`."""
        return self.register.change(id_, lambda domain: replace(domain, tls=tls))

    def rotate(self, id_: str, *, ed25519: bool | None = None) -> SendingDomain:
        """New keys for the domain, which sign once they are seen to be published; until then the old ones do.

        `ed25519` tells whether there is to be a second signature from then on; None: as there is now. While keys wait
        to be published, no further ones are made. Raises `UnknownDomain` or `NoSeal`.
        """
        before = self.register.get(id_)
        if _is_rotating(before):
            return before
        has = any(key.kind == "ed25519" for key in before.current)
        kinds: list[Kind] = ["rsa", "ed25519"] if (has if ed25519 is None else ed25519) else ["rsa"]
        made = [self._key(before.name, kind) for kind in kinds]

        def rotated(domain: SendingDomain) -> SendingDomain:
            if _is_rotating(domain):
                return domain
            follows = {
                # With RSA, which every verifier knows, goes what nothing follows.
                kind: tuple(
                    key.selector for key in domain.current if (key.kind if key.kind in kinds else "rsa") == kind
                )
                for kind in kinds
            }
            return domain.with_keys(
                replace(key, by_rotation=True, replaces=follows[kind]) for kind, key in zip(kinds, made, strict=True)
            )

        return self.register.change(id_, rotated)

    def verify(self, id_: str) -> SendingDomain:
        """Look at what the domain publishes, which takes 15 s at most, and remember it. Raises `UnknownDomain`."""
        found = look(self.looking(), self.records(self.register.get(id_)), self.egress, self.monotonic)
        return self.register.change(id_, lambda domain: domain.after(found, self.clock()))

    def _id(self) -> str:
        return newest_first(self.clock(), self.randomness)

    def _name(self, name: str) -> str:
        try:
            domain = parse_domain(name)
        except ValueError as error:
            raise InvalidDomain(f"{name!r} can't be a sending domain: {error}") from error
        if len(domain) > LONGEST_DOMAIN - len(f"{self._selector()}._domainkey."):
            raise InvalidDomain(f"{domain} is too long: the names of its records would have more than 253 octets")
        if self.test_domain and (domain == self.test_domain or domain.endswith(f".{self.test_domain}")):
            raise InvalidDomain(f"{domain} can't be a sending domain: it is there for test recipients")
        return domain

    def _return_path(self, label: str, domain: str) -> ReturnPath:
        common = self.egress.return_path_domain
        if common is None:
            raise InvalidReturnPath(
                "no server is known that takes its reports: set POSTROOM_RETURN_PATH_DOMAIN to a domain that has one, "
                "or leave it out"
            )
        try:
            name = parse_domain(f"{label}.{domain}")
        except ValueError as error:
            raise InvalidReturnPath(f"{label!r} is no label of a domain's name: {error}") from error
        match self.looking().exchangers(common):
            case MxFound(exchangers, implicit=False):
                return ReturnPath(name, tuple((each.preference, each.host) for each in exchangers))
            case NoAnswer(why):
                raise InvalidReturnPath(f"which servers take its reports can't be told at the moment: {why}")
            case _:
                raise InvalidReturnPath(f"{common}, which is to take its reports, has no MX record")

    def _selector(self) -> str:
        """One that was never used: a letter under way must not meet another key under its own selector."""
        return f"postroom-{self.randomness(4).hex()}"

    def _key(self, domain: str, kind: Kind) -> DkimKey:
        return self._sealed(domain, self._selector(), self.new_key(kind))

    def _sealed(self, domain: str, selector: str, pem: bytes) -> DkimKey:
        if not self.seal_public:
            raise NoSeal("This deployment can't keep DKIM keys: POSTROOM_SEAL_PUBLIC isn't set.")
        _, text = record(SigningKey.load(domain, selector, pem))
        key = DkimKey(selector, "", text, signs=False)
        return replace(key, sealed=seal(pem, self.seal_public, key.purpose(domain)))


def _is_rotating(domain: SendingDomain) -> bool:
    return any(key.by_rotation and not key.signs for key in domain.current)


def _refuse_twice(domain: SendingDomain, selector: str) -> None:
    if any(each.selector == selector for each in domain.keys):
        raise ValueError(
            f"{domain.name} has a key under the selector {selector!r} already: `postroom domains show {domain.name}` "
            "prints its record. To sign with another key as well, add it under another --selector."
        )
