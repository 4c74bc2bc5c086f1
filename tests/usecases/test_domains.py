"""Sending domains: what is made, what a look at DNS finds, and what several at once may do to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from os import urandom
from threading import Event
from time import monotonic
from typing import Any

import pytest

from postroom import verification
from postroom.account.domain import SendingDomain
from postroom.account.publication import Egress
from postroom.account.seal import pair, unseal
from postroom.catalog import Catalog
from postroom.delivery.routing import Exchanger
from postroom.domain_register import DomainRegister, UnknownDomain, all_domains
from postroom.domains import InvalidDomain, InvalidReturnPath, NoSeal, SendingDomains, TakenDomain
from postroom.message.dkim import SigningKey, record
from postroom.ports import MxFound, NoAnswer, NullMx
from tests.api.fakes import Drawer
from tests.doubles.book import Book
from tests.doubles.keys import a_key

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PUBLIC, PRIVATE = pair(b"\x07" * 32)
SILENCE = NoAnswer("DNS said nothing")
EGRESS = Egress(("a:mail.example.net",), ("mail.example.net",))


@dataclass
class Bureau:
    """The sending domains of a deployment, with DNS as a book."""

    directory: Drawer = field(default_factory=Drawer)
    book: Book = field(default_factory=lambda: Book({}))
    now: datetime = NOON
    egress: Egress = EGRESS

    def __post_init__(self) -> None:
        self.domains = SendingDomains(
            register=DomainRegister(self.directory, lambda: self.now, timedelta(days=37)),
            seal_public=PUBLIC,
            clock=lambda: self.now,
            monotonic=monotonic,
            randomness=urandom,
            new_key=a_key,
            looking=lambda: self.book,
            egress=self.egress,
            verifiable_for=timedelta(days=7),
            test_domain="postroom.test",
        )

    def publish(self, domain: SendingDomain, *purposes: str) -> None:
        """Put what the domain is to publish into the book, all of it or what is for these purposes."""
        for each in self.domains.records(domain):
            if purposes and each.purpose not in purposes:
                continue
            if each.type == "MX":
                there = self.book.records.get((each.name, "MX"), MxFound(()))
                found = MxFound((*there.exchangers, Exchanger(each.priority or 0, each.value)))
                self.book.records[each.name, "MX"] = found
            else:
                self.book.records[each.name, "TXT"] = (each.value,)

    def looked_at(self, domain: SendingDomain) -> SendingDomain:
        """The domain once it has published all it should, and was looked at."""
        self.publish(domain)
        return self.domains.verify(domain.id)

    def verified(self, name: str = "example.org", **asked: Any) -> SendingDomain:
        return self.looked_at(self.domains.create(name, **asked))

    def statuses(self, domain: SendingDomain) -> list[str]:
        return [f"{each.purpose} {domain.seen(each).status}" for each in self.domains.records(domain)]

    def detail(self, domain: SendingDomain, purpose: str) -> str | None:
        (record,) = (each for each in self.domains.records(domain) if each.purpose == purpose and each.type == "TXT")
        return domain.seen(record).detail


@pytest.fixture
def bureau() -> Bureau:
    return Bureau()


# Making.


def test_a_domain_gets_a_key_that_only_the_worker_can_open(bureau: Bureau) -> None:
    made = bureau.domains.create("EXAMPLE.org", ed25519=True)
    assert made.name == "example.org"
    assert [key.kind for key in made.keys] == ["rsa", "ed25519"]
    assert len({key.selector for key in made.keys}) == 2
    for key in made.keys:
        pem = unseal(key.sealed, PRIVATE, key.purpose("example.org"))
        assert record(SigningKey.load("example.org", key.selector, pem))[1] == key.record
    assert bureau.domains.register.get(made.id) == made
    assert bureau.domains.named("Example.ORG") == made


def test_a_domain_in_another_alphabet_is_kept_as_dns_knows_it(bureau: Bureau) -> None:
    assert bureau.domains.create("Bücher.example").name == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "localhost",
            "192.0.2.1",
            "[192.0.2.1]",
            "2001:db8::1",
            "example.org.",
            ".example.org",
            "a..example",
        ),
        *("-a.example", "a-.example", "a_b.example", "*.example", "a b.example", "a.example\r\nx: y", "a.example\x00"),
        *("a@b.example", "x> <a@b.example", '"a".example', "a.example/b", "a.example?", "x" * 64 + ".example"),
        *(
            ".".join(["x" * 60] * 4),
            ".".join(["x" * 60] * 3) + "." + "y" * 45,
            "a.\u2028example",
            "xn--a.example\u3002",
        ),
        *("postroom.test", "new.postroom.test"),
    ],
)
def test_what_can_not_be_a_sending_domain_is_refused(bureau: Bureau, name: str) -> None:
    with pytest.raises(InvalidDomain):
        bureau.domains.create(name)
    assert not bureau.directory.documents


def test_a_name_is_added_once(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    with pytest.raises(TakenDomain):
        bureau.domains.create("Example.ORG")
    assert bureau.domains.register.get(made.id) == made


def test_without_a_public_key_to_seal_to_no_domain_is_kept(bureau: Bureau) -> None:
    with pytest.raises(NoSeal, match="POSTROOM_SEAL_PUBLIC"):
        replace(bureau.domains, seal_public=None).create("example.org")
    assert ("domain", "example.org") not in bureau.directory.documents


def test_a_return_path_leads_to_the_servers_of_the_common_one() -> None:
    bureau = Bureau(egress=Egress(("a:mail.example.net",), (), "bounces.example.net"))
    servers = (Exchanger(10, "mx.example.net"), Exchanger(20, "mx2.example.net"))
    bureau.book.records["bounces.example.net", "MX"] = MxFound(servers)
    domain = bureau.verified(return_path="send")
    assert domain.return_path is not None
    assert domain.return_path.exchangers == ((10, "mx.example.net"), (20, "mx2.example.net"))
    assert (domain.status, domain.returns_to("bounces.example.net")) == ("verified", "send.example.org")


@pytest.mark.parametrize(
    ("common", "found", "label", "why"),
    [
        (None, None, "send", "set POSTROOM_RETURN_PATH_DOMAIN"),
        ("b.example", None, "send", "b.example, which is to take its reports, has no MX"),
        ("b.example", NullMx(), "send", "has no MX"),
        ("b.example", MxFound((Exchanger(0, "b.example"),), implicit=True), "send", "has no MX"),
        ("b.example", SILENCE, "send", "can't be told at the moment: DNS said nothing"),
        ("b.example", MxFound((Exchanger(10, "mx.b.example"),)), "no label", "no label"),
        ("b.example", MxFound((Exchanger(10, "mx.b.example"),)), "a@b", "no label"),
    ],
)
def test_a_return_path_that_nothing_would_come_back_to_is_refused(
    common: str | None, found: Any, label: str, why: str
) -> None:
    bureau = Bureau(egress=Egress(("a:mail.example.net",), (), common), book=Book({("b.example", "MX"): found}))
    with pytest.raises(InvalidReturnPath, match=why):
        bureau.domains.create("example.org", return_path=label)
    assert ("domain", "example.org") not in bureau.directory.documents


# Looking.


def test_all_that_is_published_is_seen(bureau: Bureau) -> None:
    domain = bureau.verified(ed25519=True)
    assert bureau.statuses(domain) == ["DKIM verified", "DKIM verified", "SPF verified", "DMARC verified"]
    assert (domain.status, domain.verified) == ("verified", True)


def test_dkim_alone_decides_whether_letters_are_taken(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    bureau.publish(made, "SPF", "DMARC")
    looked = bureau.domains.verify(made.id)
    assert bureau.statuses(looked) == ["DKIM pending", "SPF verified", "DMARC verified"]
    assert not looked.verified
    bureau.book.records.clear()
    bureau.publish(made, "DKIM")
    looked = bureau.domains.verify(made.id)
    assert bureau.statuses(looked) == ["DKIM verified", "SPF failed", "DMARC failed"]
    assert (looked.status, looked.verified) == ("verified", True)


def test_a_silence_of_dns_unverifies_nothing_and_an_empty_answer_does(bureau: Bureau) -> None:
    domain = bureau.verified()
    name = domain.keys[0].published("example.org").name
    bureau.book.records[name, "TXT"] = SILENCE
    domain = bureau.domains.verify(domain.id)
    assert (domain.verified, bureau.detail(domain, "DKIM")) == (True, "DNS said nothing")
    bureau.book.records[name, "TXT"] = ()
    domain = bureau.domains.verify(domain.id)
    assert (domain.verified, domain.status, bureau.detail(domain, "DKIM")) == (
        False,
        "failed",
        "nothing is published there",
    )


def test_the_key_of_somebody_else_proves_nothing(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    other = bureau.domains.create("example.com")
    bureau.book.records[made.keys[0].published("example.org").name, "TXT"] = (other.keys[0].record,)
    looked = bureau.domains.verify(made.id)
    assert (looked.verified, looked.status) == (False, "failed")
    assert bureau.detail(looked, "DKIM") == "another key is published there"


@pytest.mark.parametrize(
    ("text", "status", "detail"),
    [
        ("v=spf1 a:mail.example.net -all", "verified", None),
        ("v=spf1 ip4:192.0.2.7 -all", "verified", None),
        ("v=spf1 include:_spf.example.com -all", "failed", "the SPF record there lacks a:mail.example.net"),
        ("v=spf1 a:mail.example.net nonsense", "failed", "there is no mechanism 'nonsense'"),
        ("hello", "pending", "no SPF record is published there"),
        (SILENCE, "temporary_failure", "DNS said nothing"),
    ],
)
def test_spf_is_seen_whether_in_our_words_or_in_others(
    bureau: Bureau, text: str | NoAnswer, status: str, detail: str | None
) -> None:
    made = bureau.domains.create("example.org")
    bureau.book.records["mail.example.net", "A"] = ("192.0.2.7",)
    bureau.book.records["_spf.example.com", "TXT"] = ("v=spf1 ip4:198.51.100.1 -all",)
    bureau.book.records["example.org", "TXT"] = (text,) if isinstance(text, str) else text
    looked = bureau.domains.verify(made.id)
    assert f"SPF {status}" in bureau.statuses(looked)
    assert bureau.detail(looked, "SPF") == detail


def test_who_publishes_an_spf_record_is_told_what_to_add_to_it(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    bureau.book.records["example.org", "TXT"] = ("v=spf1 include:_spf.example.com -all",)
    looked = bureau.domains.verify(made.id)
    (value,) = [each.value for each in bureau.domains.records(looked) if each.purpose == "SPF"]
    assert value == "v=spf1 a:mail.example.net include:_spf.example.com -all"
    bureau.publish(looked)
    assert "SPF verified" in bureau.statuses(bureau.domains.verify(made.id))


def test_a_policy_of_a_name_above_will_do(bureau: Bureau) -> None:
    made = bureau.domains.create("mail.example.org")
    bureau.book.records["_dmarc.example.org", "TXT"] = ("v=DMARC1; p=reject",)
    looked = bureau.domains.verify(made.id)
    assert bureau.detail(looked, "DMARC") == "that of example.org holds"
    bureau.book.records["_dmarc.mail.example.org", "TXT"] = ("v=DMARC1; p=maybe",)
    looked = bureau.domains.verify(made.id)
    assert "DMARC failed" in bureau.statuses(looked)


@pytest.mark.parametrize(
    ("found", "status", "detail"),
    [
        (MxFound((Exchanger(10, "mx.elsewhere.example"),)), "failed", "it leads to mx.elsewhere.example"),
        (MxFound((Exchanger(0, "send.example.org"),), implicit=True), "pending", "no MX is published there"),
        (NullMx(), "failed", "a null MX is published there"),
        (SILENCE, "temporary_failure", "DNS said nothing"),
    ],
)
def test_a_return_path_that_leads_elsewhere_is_told_of(found: Any, status: str, detail: str) -> None:
    bureau = Bureau(egress=Egress((), (), "bounces.example.net"))
    bureau.book.records["bounces.example.net", "MX"] = MxFound((Exchanger(10, "mx.example.net"),))
    made = bureau.domains.create("example.org", return_path="send")
    bureau.publish(made, "DKIM")
    bureau.book.records["send.example.org", "MX"] = found
    looked = bureau.domains.verify(made.id)
    (mx,) = [each for each in bureau.domains.records(looked) if each.type == "MX"]
    assert (str(looked.seen(mx).status), looked.seen(mx).detail) == (status, detail)
    assert looked.verified
    assert looked.returns_to("bounces.example.net") == "bounces.example.net"


def test_what_others_publish_is_told_in_one_safe_line(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    bureau.book.records["example.org", "TXT"] = ("v=spf1 \x1b[31mx\r\ny",)
    assert "\x1b" not in (bureau.detail(bureau.domains.verify(made.id), "SPF") or "\x1b")


def test_a_look_ends_in_time(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    made, never = bureau.domains.create("example.org"), Event()

    class Slow(Book):
        def texts(self, name: str) -> tuple[str, ...] | NoAnswer:
            if name.startswith("_dmarc"):
                never.wait(60)
            return super().texts(name)

    monkeypatch.setattr(verification, "SECONDS", 0.2)
    bureau.publish(made)
    bureau.book = Slow(bureau.book.records)
    looked = bureau.domains.verify(made.id)
    never.set()
    assert bureau.statuses(looked) == ["DKIM verified", "SPF verified", "DMARC temporary_failure"]


# Rotating.


def test_new_keys_follow_the_old_ones_kind_by_kind(bureau: Bureau) -> None:
    before = bureau.verified(ed25519=True)
    rotating = bureau.domains.rotate(before.id)
    assert [key.kind for key in rotating.current] == ["rsa", "ed25519", "rsa", "ed25519"]
    assert rotating.signers == before.keys
    rsa, ed25519 = rotating.current[2:]
    bureau.book.records[rsa.published("example.org").name, "TXT"] = (rsa.record,)
    half = bureau.domains.verify(before.id)
    assert [key.selector for key in half.signers] == [before.keys[1].selector, rsa.selector]
    bureau.publish(half)
    whole = bureau.domains.verify(before.id)
    assert [key.selector for key in whole.signers] == [rsa.selector, ed25519.selector]
    assert whole.status == "verified"


def test_a_rotation_that_waits_is_not_begun_again(bureau: Bureau) -> None:
    before = bureau.verified()
    rotating = bureau.domains.rotate(before.id)
    assert bureau.domains.rotate(before.id) == rotating
    bureau.publish(rotating)
    rotated = bureau.domains.verify(before.id)
    assert len(bureau.domains.rotate(before.id).current) == len(rotated.current) + 1


def test_a_second_signature_may_come_and_go_with_a_rotation(bureau: Bureau) -> None:
    domain = bureau.verified()
    for ed25519 in (True, False):
        rotating = bureau.domains.rotate(domain.id, ed25519=ed25519)
        assert rotating.status == "verified"
        bureau.publish(rotating)
        domain = bureau.domains.verify(domain.id)
        assert [key.kind for key in domain.signers] == (["rsa", "ed25519"] if ed25519 else ["rsa"])


# Vouching, as the command line does.


def test_who_vouches_needs_no_dns_until_it_is_asked(bureau: Bureau) -> None:
    vouched = bureau.domains.vouch("example.org", "postroom", None)
    assert (vouched.verified, vouched.status, len(vouched.signers)) == (True, "verified", 1)
    more = bureau.domains.vouch("example.org", "next", None)
    assert (more.id, [key.selector for key in more.signers]) == (vouched.id, ["postroom", "next"])
    with pytest.raises(ValueError, match="has a key under the selector 'next' already"):
        bureau.domains.vouch("example.org", "next", None)
    with pytest.raises(ValueError, match="can't be a DKIM selector"):
        bureau.domains.vouch("example.org", "a.b", None)
    assert not bureau.domains.verify(vouched.id).verified


def test_a_domain_of_the_api_can_be_vouched_for(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    vouched = bureau.domains.vouch("example.org", "postroom", None)
    assert (vouched.id, vouched.verified) == (made.id, True)
    assert [key.selector for key in vouched.signers] == ["postroom"]


# Deleting, and several at once.


def test_what_is_deleted_is_gone_for_everybody_but_its_letters(bureau: Bureau) -> None:
    domain = bureau.verified()
    bureau.domains.register.remove(domain.id)
    for use in (bureau.domains.register.get, bureau.domains.register.remove, bureau.domains.verify):
        with pytest.raises(UnknownDomain):
            use(domain.id)
    with pytest.raises(UnknownDomain):
        bureau.domains.named("example.org")
    assert list(all_domains(bureau.directory)) == []
    kept = SendingDomain.from_record(bureau.directory.documents["domain", "example.org"])
    assert (kept.verified, kept.signers) == (False, domain.keys)


def test_keys_of_a_deleted_domain_are_forgotten_in_the_end(bureau: Bureau) -> None:
    first, second, third = (bureau.domains.create(f"{n}.example.org") for n in ("a", "b", "c"))
    bureau.domains.register.remove(first.id)
    bureau.now += timedelta(days=37)
    bureau.domains.register.remove(second.id)
    assert bureau.directory.documents["domain", "a.example.org"]["keys"]
    bureau.now += timedelta(seconds=1)
    bureau.domains.register.remove(third.id)
    assert not bureau.directory.documents["domain", "a.example.org"]["keys"]
    assert bureau.directory.documents["domain", "b.example.org"]["keys"]


def test_a_name_that_was_deleted_can_be_added_again(bureau: Bureau) -> None:
    old = bureau.verified()
    bureau.domains.register.remove(old.id)
    bureau.now += timedelta(days=1)
    new = bureau.domains.create("example.org")
    assert (new.id != old.id, new.verified, new.status) == (True, False, "not_started")
    assert [key.selector for key in new.signers] == [old.keys[0].selector]  # for letters that were taken before
    assert [key.selector for key in bureau.looked_at(new).signers] == [new.current[0].selector]
    with pytest.raises(UnknownDomain):
        bureau.domains.register.get(old.id)


@dataclass
class Interrupted(Drawer):
    """A directory in which somebody else is faster, once."""

    meanwhile: Callable[[], object] | None = None

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        other, self.meanwhile = self.meanwhile, None
        if other is not None:
            other()
        return super().replace(kind, key, document, over)


def test_a_look_and_a_rotation_at_once_both_count() -> None:
    directory = Interrupted()
    bureau = Bureau(directory)
    made = bureau.domains.create("example.org")
    bureau.publish(made)
    directory.meanwhile = lambda: bureau.domains.rotate(made.id)
    looked = bureau.domains.verify(made.id)
    assert (looked.verified, len(looked.current)) == (True, 2)
    assert looked.signers == (looked.keys[0],)


def test_two_rotations_at_once_make_one(bureau: Bureau) -> None:
    directory = Interrupted()
    bureau = Bureau(directory)
    domain = bureau.verified()
    directory.meanwhile = lambda: bureau.domains.rotate(domain.id)
    assert len(bureau.domains.rotate(domain.id).current) == 2


@pytest.mark.parametrize("change", ["verify", "rotate"])
def test_nothing_brings_a_domain_back_that_is_deleted_meanwhile(change: str) -> None:
    directory = Interrupted()
    bureau = Bureau(directory)
    domain = bureau.verified()
    directory.meanwhile = lambda: bureau.domains.register.remove(domain.id)
    with pytest.raises(UnknownDomain):
        getattr(bureau.domains, change)(domain.id)
    assert list(all_domains(directory)) == []


def test_a_key_that_comes_to_sign_while_the_domain_is_deleted_is_kept_for_what_it_signed() -> None:
    directory = Interrupted()
    bureau = Bureau(directory)
    domain = bureau.verified()
    rotating = bureau.domains.rotate(domain.id)
    bureau.publish(rotating)
    directory.meanwhile = lambda: bureau.domains.verify(domain.id)
    bureau.domains.register.remove(domain.id)
    kept = SendingDomain.from_record(directory.documents["domain", "example.org"])
    assert [key.selector for key in kept.signers] == [rotating.current[1].selector]
    assert kept.deleted_at == NOON


def test_of_two_who_add_a_name_at_once_one_is_told_so(bureau: Bureau) -> None:
    other = replace(bureau.domains, register=bureau.domains.register)

    class First(Drawer):
        def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
            if kind == "domain" and ("domain", key) not in bureau.directory.documents:
                other.create(key)
            return bureau.directory.create(kind, key, document)

    late = replace(
        bureau.domains, register=replace(bureau.domains.register, directory=First(bureau.directory.documents))
    )
    with pytest.raises(TakenDomain):
        late.create("example.org")
    assert len(list(all_domains(bureau.directory))) == 1


def test_a_domain_whose_maker_died_before_it_was_listed_is_listed_by_the_repeat(bureau: Bureau) -> None:
    made = bureau.domains.create("example.org")
    Catalog(bureau.directory, "domain").unlist(made.id)
    with pytest.raises(TakenDomain):
        bureau.domains.create("example.org")
    assert bureau.domains.register.get(made.id) == made
