"""What a sending domain is to publish: its keys, and who may send for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.account.dns_record import DnsRecord, RecordStatus
from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.spf.record import with_terms


@dataclass(frozen=True, slots=True)
class Egress:
    """How the letters of a deployment leave, as SPF sees it."""

    terms: tuple[str, ...] = ()  # what an SPF record must hold; none where nobody has said
    hosts: tuple[str, ...] = ()  # hosts whose addresses letters leave by, where that is so
    return_path_domain: str | None = None  # in MAIL FROM of all domains that have none of their own


def published_by(
    domain: SendingDomain, egress: Egress, now: datetime, verifiable_for: timedelta
) -> tuple[DnsRecord, ...]:
    """The records of a domain. Signatures hold for `verifiable_for`, and for so long a retired key stays published."""
    keys = _keys(domain, now, verifiable_for)
    path = domain.return_path.records if domain.return_path is not None else ()
    return (*keys, *path, *_spf(domain, egress), _dmarc(domain))


def _keys(domain: SendingDomain, now: datetime, verifiable_for: timedelta) -> Iterator[DnsRecord]:
    for key in domain.keys:
        over = key.retired_at and key.retired_at + verifiable_for
        if over is None or (key.signs and now < over):
            yield _noted(key, domain.name, over)


def _noted(key: DkimKey, domain: str, over: datetime | None) -> DnsRecord:
    record = key.published(domain)
    if over is not None:
        note = f"retired: letters that it signed may be under way, so keep it published until {over:%Y-%m-%d}"
    elif key.signs:
        note = "signs every letter"
    else:
        note = "signs once it was seen to be published"
    return DnsRecord(record.purpose, record.type, record.name, record.value, required=record.required, note=note)


def _spf(domain: SendingDomain, egress: Egress) -> Iterator[DnsRecord]:
    """Of the domain in MAIL FROM, which is the one that SPF is asked of (RFC 7208 §2.4)."""
    if not egress.terms:
        return
    name = (domain.return_path and domain.return_path.domain) or egress.return_path_domain or domain.name
    record = DnsRecord("SPF", "TXT", name, with_terms("v=spf1 ~all", egress.terms))
    seen = domain.seen(record)
    if seen.text is not None:  # a second record would make both void, so that what is there is added to
        value = seen.text if seen.status is RecordStatus.VERIFIED else with_terms(seen.text, egress.terms)
        record = DnsRecord("SPF", "TXT", name, value)
    yield record


def _dmarc(domain: SendingDomain) -> DnsRecord:
    record = DnsRecord("DMARC", "TXT", f"_dmarc.{domain.name}", "v=DMARC1; p=none")
    text = domain.seen(record).text
    return record if text is None else DnsRecord("DMARC", "TXT", record.name, text)
