"""What a sending domain publishes for those who judge our letters: SPF, DKIM and DMARC."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.account.dkim_record import compare
from postroom.account.dmarc import BadPolicy, Dmarc, aligned, places
from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.spf.evaluation import Answer, Question, Result, Spf, check
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx, Published
from postroom.preflight.check import Check, failed, passed, warned

_MEANING = {
    Result.NONE: "so nobody can tell that letters from {address} are theirs: publish v=spf1 with that address",
    Result.NEUTRAL: "so SPF says nothing of {address}: add it to the record",
    Result.FAIL: "which forbids {address} to send: add it to the record",
    Result.SOFTFAIL: "which doubts {address}: add it to the record",
    Result.PERMERROR: "so SPF says nothing of anybody until that is put right",
    Result.TEMPERROR: "so it can't be told: look again later",
}
_STATUS = {
    Result.PASS: passed,
    Result.FAIL: failed,
    Result.PERMERROR: failed,
    Result.NONE: warned,
    Result.NEUTRAL: warned,
    Result.SOFTFAIL: warned,
    Result.TEMPERROR: warned,
}


def spf(published: Published, domain: str, address: str, helo: str) -> Check:
    """Whether `domain`, that of return paths, lets `address` send (RFC 7208)."""
    found = evaluated(published, domain, address, helo)
    says = f"{domain} for {address}: {found.result}, {found.why}"
    meaning = _MEANING.get(found.result)
    return _STATUS[found.result]("spf", f"{says}, {meaning.format(address=address)}" if meaning else says)


def spf_of_relays(published: Published, domain: str, relays: Sequence[tuple[str, str | None]], helo: str) -> Check:
    """The same where relays do the sending, by their places and addresses.

    Which address they send from, only they know; that they answer at one that may send is a good sign.
    """
    uncovered = []
    for place, address in relays:
        if address is None or evaluated(published, domain, address, helo).result is not Result.PASS:
            uncovered.append(place)
    if not uncovered:
        return passed("spf", f"{domain} lets the addresses send that our relays answer at")
    who = ", ".join(uncovered)
    return warned(
        "spf",
        f"letters of {domain} leave by {who}, and its SPF record doesn't cover the address that answers there. Only "
        "who runs the relay knows which it sends from: ask what to include",
    )


def evaluated(published: Published, domain: str, address: str, helo: str) -> Spf:
    asking = check(address, domain, helo)
    try:
        question = next(asking)
        while True:
            question = asking.send(_answer(published, question))
    except StopIteration as end:
        found: Spf = end.value
        return found


def _answer(published: Published, question: Question) -> Answer:
    match question.kind:
        case "TXT":
            said = published.texts(question.name)
        case "PTR":
            said = published.pointer(question.name)
        case "MX":
            return _mail_servers(published, question.name)
        case _:
            said = published.addresses(question.name, 4 if question.kind == "A" else 6)
    return None if isinstance(said, NoAnswer) else said


def _mail_servers(published: Published, name: str) -> Answer:
    match published.exchangers(name):
        case MxFound(implicit=True) | NoDomain():  # RFC 7208 §5.4: no implicit MX
            return ()
        case MxFound(exchangers):
            return tuple(each.host for each in exchangers)
        case NullMx():
            return ("",)
        case NoAnswer():
            return None


def dkim(published: Published, domain: str, key: DkimKey) -> Check:
    """A key of the domain as it is published, beside ours."""
    name = f"{key.selector}._domainkey.{domain}"
    texts = published.texts(name)
    if isinstance(texts, NoAnswer):
        return warned("dkim", f"{texts.why}: look again later")
    found = compare(texts, key.record)
    if found.flaw:
        todo = f"`postroom domains show {domain}` prints the TXT record to publish"
        return failed("dkim", f"{name}: {found.flaw}, so our signatures don't verify; {todo}")
    if found.doubt:
        return warned("dkim", f"{name} publishes our key, but {found.doubt}")
    return passed("dkim", f"{name} publishes our key")


def unsigned(domain: str) -> Check:
    return warned(
        "dkim", f"{domain} has no key, so its letters aren't signed: `postroom domains add {domain}` makes one"
    )


def dmarc(published: Published, domain: SendingDomain, return_path: str) -> Check:
    """The policy that holds for From, and whether signature and return path speak for it (RFC 7489 §3.1)."""
    for publisher in places(domain.name):
        texts = published.texts(f"_dmarc.{publisher}")
        if isinstance(texts, NoAnswer):
            return warned("dmarc", f"{texts.why}: look again later")
        try:
            policy = Dmarc.parse(texts)
        except BadPolicy as error:
            return failed("dmarc", f"the record at _dmarc.{publisher} is wrong: {error}")
        if policy is not None:
            return _judged(policy, publisher, domain, return_path)
    return warned(
        "dmarc",
        f"{domain.name} publishes no DMARC policy, which large providers want of senders: begin with a TXT record "
        f'"v=DMARC1; p=none" at _dmarc.{domain.name}',
    )


def _judged(policy: Dmarc, publisher: str, domain: SendingDomain, return_path: str) -> Check:
    wanted = policy.policy if publisher == domain.name else policy.subdomains
    # Letters are signed with the domain in From itself, which is aligned in either mode.
    signed = bool(domain.in_force)
    returns = aligned(domain.name, return_path, publisher, strict=policy.strict_spf)
    detail = (
        f"_dmarc.{publisher} wants {wanted} for {domain.name}; "
        f"{f'd={domain.name} is aligned' if signed else 'letters are not signed'}, "
        f"the return path's domain {return_path} {'is' if returns else 'is not'}"
    )
    if signed or returns:
        return passed("dmarc", detail)
    refused = failed if wanted != "none" else warned
    return refused("dmarc", f"{detail}: nothing speaks for these letters. Give {domain.name} a DKIM key")
