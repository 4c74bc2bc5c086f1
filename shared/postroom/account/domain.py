"""Sending domains: whose From addresses this account may use, and the DKIM keys that sign for them.

A key is made before its record is published, signs once the record was seen, and retires when the one that replaces it
signs. Letters that are under way stay with the keys they were franked with, so a retired key is kept, and so are those
of a domain that was deleted: its document stays where it was, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from postroom.account.dns_record import DnsRecord, Finding, RecordStatus, Seen, Sight
from postroom.account.return_path import ReturnPath
from postroom.smtp.security import Security

OPPORTUNISTIC, ENFORCED = "opportunistic", "enforced"
"""How much TLS a domain's letters want, in the words of Resend's clients."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One signing key. The private half is sealed; only the worker can open it."""

    selector: str
    sealed: str
    record: str  # the TXT record to publish at selector._domainkey.domain
    signs: bool = True  # new letters; not before its record was seen, unless somebody vouches for it
    by_rotation: bool = False  # made to follow others
    replaces: tuple[str, ...] = ()  # the selectors of those, which retire when this one signs
    retired_at: datetime | None = None

    def purpose(self, domain: str) -> str:
        """What the seal is bound to: a key can't be moved to another domain or selector."""
        return f"dkim {self.selector}._domainkey.{domain}"

    def published(self, domain: str) -> DnsRecord:
        """Its record (RFC 6376 §3.6.2.1)."""
        name = f"{self.selector}._domainkey.{domain}"
        return DnsRecord("DKIM", "TXT", name, self.record, required=self.retired_at is None and not self.by_rotation)

    @property
    def kind(self) -> str:
        return "ed25519" if "k=ed25519" in self.record else "rsa"

    def after(self, finding: Finding | None) -> DkimKey:
        """The key after a look at its record, or none. A silence of DNS changes nothing."""
        if finding is None or finding.sight is Sight.SILENT or self.retired_at is not None:
            return self
        return replace(self, signs=finding.sight is Sight.THERE)

    def stored(self) -> dict[str, Any]:
        return {
            "selector": self.selector,
            "sealed": self.sealed,
            "record": self.record,
            "signs": self.signs,
            "by_rotation": self.by_rotation,
            "replaces": list(self.replaces),
            "retired_at": self.retired_at and self.retired_at.isoformat(),
        }

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> DkimKey:
        return cls(
            stored["selector"],
            stored["sealed"],
            stored["record"],
            stored.get("signs", True),
            stored.get("by_rotation", False),
            tuple(stored.get("replaces", ())),
            _moment(stored.get("retired_at")),
        )


@dataclass(frozen=True, slots=True)
class SendingDomain:
    id: str
    name: str  # A-label, lower case
    verified: bool  # letters from it are taken
    created_at: datetime
    keys: tuple[DkimKey, ...] = ()  # the oldest first
    region: str | None = None
    tls: str = OPPORTUNISTIC
    return_path: ReturnPath | None = None
    looked: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # `Seen` as stored, by `DnsRecord.key`
    deleted_at: datetime | None = None

    @property
    def current(self) -> tuple[DkimKey, ...]:
        return tuple(key for key in self.keys if key.retired_at is None)

    @property
    def in_force(self) -> tuple[DkimKey, ...]:
        return tuple(key for key in self.current if key.signs)

    @property
    def signers(self) -> tuple[DkimKey, ...]:
        """The keys that sign what goes out for the first time.

        Where none of the domain as it is does yet, it was deleted and made anew: what was taken before goes on under
        the keys that it was taken under.
        """
        return self.in_force or tuple(key for key in self.keys if key.signs)

    def seen(self, record: DnsRecord) -> Seen:
        return self._seen(record.key)

    def _seen(self, key: str) -> Seen:
        stored = self.looked.get(key)
        return Seen() if stored is None else Seen.from_record(stored)

    @property
    def status(self) -> str:
        """In the words of Resend's clients. Whether letters are taken is `verified`, and its DKIM keys decide on it."""
        if not self.verified:
            looks = {self.seen(key.published(self.name)).status for key in self.current}
            if RecordStatus.FAILED in looks:
                return "failed"
            return "not_started" if looks <= {RecordStatus.NOT_STARTED} else "pending"
        # A rotation that has begun takes nothing away from what is in force.
        missing = [key.published(self.name) for key in self.current if not (key.signs or key.by_rotation)]
        if self.return_path is not None and not self.return_path.in_use:
            missing += self.return_path.records
        if not missing:
            return "verified"
        failed = any(self.seen(each).status is RecordStatus.FAILED for each in missing)
        return "partially_failed" if failed else "partially_verified"

    def returns_to(self, deployment: str | None) -> str | None:
        """The domain in MAIL FROM, `deployment` being that of all domains; None for the From address itself."""
        return self.return_path.domain if self.return_path is not None and self.return_path.in_use else deployment

    def least_security(self, asked: str | None) -> str | None:
        """What a letter asks of its sessions, `asked`, or what the domain asks of all, whichever is stricter."""
        if self.tls != ENFORCED:
            return asked
        return str(Security(asked or Security.OPPORTUNISTIC).at_least(Security.REQUIRE))

    # What becomes of it.

    def after(self, found: Mapping[str, Finding], now: datetime) -> SendingDomain:
        """The domain after a look at records, by their keys. What nobody looked at stays as it is.

        DKIM proves whose the domain is: while one of its keys is published as ours, letters are taken. A silence of DNS
        proves nothing, and changes nothing but what is told of the record.
        """
        findings = {key.selector: found.get(key.published(self.name).key) for key in self.keys}
        keys = [key.after(findings[key.selector]) for key in self.keys]
        followed = {
            selector
            for key in keys
            if (finding := findings[key.selector]) is not None and finding.sight is Sight.THERE
            for selector in key.replaces
        }
        kept = [replace(key, retired_at=key.retired_at or now) if key.selector in followed else key for key in keys]
        return replace(
            self,
            keys=tuple(kept),
            verified=any(key.signs and key.retired_at is None for key in kept) if self.current else self.verified,
            return_path=self.return_path and self.return_path.after(found),
            looked={**self.looked, **{key: self._seen(key).after(each).record() for key, each in found.items()}},
        )

    def with_keys(self, keys: Iterable[DkimKey]) -> SendingDomain:
        return replace(self, keys=(*self.keys, *keys))

    def deleted(self, now: datetime) -> SendingDomain:
        """The domain as it is kept for the letters that are under way."""
        return replace(self, verified=False, deleted_at=now)

    def succeeded_by(self, successor: SendingDomain) -> SendingDomain:
        """`successor` in the place of this deleted domain, with the keys that letters under way are franked with."""
        old = [replace(key, retired_at=key.retired_at or self.deleted_at) for key in self.keys]
        return replace(successor, keys=(*old, *successor.keys))

    def without_old_keys(self, now: datetime, kept_for: timedelta) -> SendingDomain:
        """The domain without the keys that no letter can need any more, `kept_for` after their last signature."""
        if self.deleted_at is not None and now - self.deleted_at > kept_for:
            return replace(self, keys=(), looked={})
        kept = tuple(key for key in self.keys if key.retired_at is None or now - key.retired_at <= kept_for)
        return replace(self, keys=kept)

    # Stored.

    def record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "verified": self.verified,
            "created_at": self.created_at.isoformat(),
            "keys": [key.stored() for key in self.keys],
            "region": self.region,
            "tls": self.tls,
            "return_path": self.return_path and self.return_path.stored(),
            "looked": dict(self.looked),
            "deleted_at": self.deleted_at and self.deleted_at.isoformat(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SendingDomain:
        """The domain; what earlier versions didn't store is as it was then."""
        return_path = record.get("return_path")
        return cls(
            record["id"],
            record["name"],
            record["verified"],
            datetime.fromisoformat(record["created_at"]),
            tuple(map(DkimKey.from_stored, record["keys"])),
            record.get("region"),
            record.get("tls", OPPORTUNISTIC),
            return_path and ReturnPath.from_stored(return_path),
            record.get("looked", {}),
            _moment(record.get("deleted_at")),
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
