"""Looking at what a sending domain publishes, beside what it is to publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from postroom.account.dkim_record import compare
from postroom.account.dmarc import BadPolicy, Dmarc, places
from postroom.account.dns_record import DnsRecord, Finding, Sight
from postroom.account.publication import Egress
from postroom.account.spf.evaluation import Result
from postroom.account.spf.record import BadRecord, holds, parse, record_of
from postroom.ports import MxFound, NoAnswer, NullMx, Published
from postroom.preflight.sender import evaluated
from postroom.preflight.side_by_side import begin, result
from postroom.smtp.transcript import escaped

SECONDS = 15.0  # for all of it

LATE = Finding(Sight.SILENT, "DNS didn't answer in time")


def look(
    published: Published, records: Sequence[DnsRecord], egress: Egress, monotonic: Callable[[], float]
) -> Mapping[str, Finding]:
    """What there is of each record, by its key, within `SECONDS`."""
    until = monotonic() + SECONDS
    underway = {each.key: begin(_found, published, each, egress) for each in records}
    return {key: result(work, until - monotonic()) or LATE for key, work in underway.items()}


def _found(published: Published, record: DnsRecord, egress: Egress) -> Finding:
    match record.purpose, record.type:
        case "DKIM", _:
            found = _dkim(published, record)
        case "SPF", "MX":
            found = _mx(published, record)
        case "SPF", _:
            found = _spf(published, record, egress)
        case _:
            found = _dmarc(published, record)
    return Finding(found.sight, found.detail and escaped(found.detail), found.text)


def _dkim(published: Published, record: DnsRecord) -> Finding:
    texts = published.texts(record.name)
    if isinstance(texts, NoAnswer):
        return Finding(Sight.SILENT, texts.why)
    compared = compare(texts, record.value)
    if compared.flaw is None:
        return Finding(Sight.THERE, compared.doubt)
    return Finding(Sight.WRONG if texts else Sight.ABSENT, compared.flaw)


def _mx(published: Published, record: DnsRecord) -> Finding:
    match published.exchangers(record.name):
        case NoAnswer(why):
            return Finding(Sight.SILENT, why)
        case NullMx():
            return Finding(Sight.WRONG, "a null MX is published there")
        case MxFound(exchangers, implicit=False):
            if record.value in (each.host for each in exchangers):
                return Finding(Sight.THERE)
            return Finding(Sight.WRONG, f"it leads to {', '.join(each.host for each in exchangers[:3])}")
        case _:
            return Finding(Sight.ABSENT, "no MX is published there")


def _spf(published: Published, record: DnsRecord, egress: Egress) -> Finding:
    texts = published.texts(record.name)
    if isinstance(texts, NoAnswer):
        return Finding(Sight.SILENT, texts.why)
    try:
        text = record_of(texts)
        if text is None:
            return Finding(Sight.ABSENT, "no SPF record is published there")
        there = [each.text for each in parse(text).mechanisms]
    except BadRecord as error:
        return Finding(Sight.WRONG, str(error))
    missing = [term for term in egress.terms if not holds(there, term)]
    if not missing:
        return Finding(Sight.THERE, text=text)
    results = _results(published, record.name, egress)
    if results == {Result.PASS}:  # in words of its own
        return Finding(Sight.THERE, text=text)
    if Result.TEMPERROR in results:
        return Finding(Sight.SILENT, "DNS didn't say all that the SPF record leads to", text)
    return Finding(Sight.WRONG, f"the SPF record there lacks {' '.join(missing)}", text)


def _results(published: Published, domain: str, egress: Egress) -> set[Result]:
    """What SPF says of each address that letters leave by, as far as these are known."""
    results: set[Result] = set()
    for host in egress.hosts:
        for version in (4, 6):
            addresses = published.addresses(host, version)
            if isinstance(addresses, NoAnswer):
                results.add(Result.TEMPERROR)
                continue
            results |= {evaluated(published, domain, address, host).result for address in addresses}
    return results


def _dmarc(published: Published, record: DnsRecord) -> Finding:
    domain = record.name.removeprefix("_dmarc.")
    for place in places(domain):
        texts = published.texts(f"_dmarc.{place}")
        if isinstance(texts, NoAnswer):
            return Finding(Sight.SILENT, texts.why)
        try:
            policy = Dmarc.parse(texts)
        except BadPolicy as error:
            return Finding(Sight.WRONG, str(error))
        if policy is not None:
            text = next((each for each in texts if "DMARC1" in each), None) if place == domain else None
            return Finding(Sight.THERE, None if place == domain else f"that of {place} holds", text)
    return Finding(Sight.ABSENT, "no DMARC policy is published there, nor above")
