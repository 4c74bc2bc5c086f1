"""What a recipient's domain publishes: where its mail goes, and how safely it wants it carried."""

from __future__ import annotations

from postroom.delivery.sts import Mode
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx, Published
from postroom.preflight.check import Check, failed, passed, warned

MOST_HOSTS = 5


def mx(published: Published, domain: str) -> Check:
    match published.exchangers(domain):
        case MxFound(exchangers, implicit=True):
            return passed("mx", f"{domain} has no MX; its mail goes to {exchangers[0].host} itself (RFC 5321 §5.1)")
        case MxFound(exchangers):
            hosts = ", ".join(
                f"{each.host} ({each.preference})" for each in sorted(exchangers, key=lambda each: each.preference)[:10]
            )
            return passed("mx", f"mail for {domain} goes to {hosts}")
        case NullMx():
            return failed("mx", f"{domain} says by a null MX that it takes no mail (RFC 7505)")
        case NoDomain(why):
            return failed("mx", f"{why}: mail for it would bounce")
        case NoAnswer(why):
            return warned("mx", f"{why}. Mail would wait until DNS answers")


def mta_sts(published: Published, domain: str) -> Check:
    """RFC 8461: the policy, and whether it covers the servers that there are."""
    policy, found = published.policy(domain), published.exchangers(domain)
    if isinstance(policy, NoAnswer):
        return warned("mta_sts", f"{policy.why}. Mail goes as it would without a policy, or under the last one we know")
    if policy is None:
        return passed("mta_sts", f"{domain} announces no MTA-STS policy")
    says = f"{domain} has an MTA-STS policy in mode {policy.mode} for {', '.join(policy.mx[:10]) or 'no server'}"
    hosts = [each.host for each in found.exchangers] if isinstance(found, MxFound) else []
    uncovered = [host for host in hosts if not policy.covers(host)]
    if not uncovered or policy.mode is Mode.NONE:
        return passed("mta_sts", says)
    missing = f"{says}, which doesn't name {', '.join(uncovered[:10])}"
    if policy.mode is Mode.ENFORCE and len(uncovered) == len(hosts):
        return failed("mta_sts", f"{missing}: mail waits until its postmaster has put that right")
    return warned("mta_sts", missing)


def dane(published: Published, domain: str, port: int, vouched: bool) -> Check:
    """RFC 7672; `vouched`: our resolvers validate DNSSEC."""
    if not vouched:
        what = "set POSTROOM_TRUST_AD where POSTROOM_RESOLVERS are validating resolvers that nobody stands in front of"
        return warned("dane", f"whether {domain} has DANE can't be told: {what}")
    found = published.exchangers(domain)
    if isinstance(found, NoAnswer):
        return warned("dane", found.why)
    if not isinstance(found, MxFound):
        return passed("dane", f"{domain} has no mail server to have DANE for")
    if not found.secure:  # RFC 7672 §2.2.1
        return passed("dane", f"{domain} has no DANE: DNSSEC doesn't vouch for where its mail goes")
    counts = {each.host: published.certificates(each.host, port) for each in found.exchangers[:MOST_HOSTS]}
    silent = [count.why for count in counts.values() if isinstance(count, NoAnswer)]
    if silent:  # RFC 7672 §2.1.2
        return warned("dane", f"{silent[0]}. Mail for {domain} waits until DNS answers, or goes to another host")
    with_tlsa = [f"{host} ({count} TLSA)" for host, count in counts.items() if count]
    if not with_tlsa:
        return passed("dane", f"{domain} has no DANE: its servers publish no TLSA records")
    without = [host for host, count in counts.items() if not count]
    more = f"; not {', '.join(without)}" if without else ""
    return passed("dane", f"{domain} has DANE for {', '.join(with_tlsa)}{more}")
