"""What becomes of a sending domain and its keys: as they are made, seen, rotated and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.dns_record import Finding, RecordStatus, Seen, Sight
from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.return_path import ReturnPath

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIFE = timedelta(days=37)

RSA = DkimKey("one", "sealed", "v=DKIM1; k=rsa; p=x", signs=False)
ED25519 = DkimKey("two", "sealed", "v=DKIM1; k=ed25519; p=x", signs=False)
NEW = SendingDomain("id", "example.org", False, NOON, (RSA,))
PATH = ReturnPath("send.example.org", ((10, "mx.example.net"), (20, "mx2.example.net")))


def sights(domain: SendingDomain, **found: Sight) -> Mapping[str, Finding]:
    """What a look found, by selectors."""
    return {f"DKIM {selector}._domainkey.{domain.name}": Finding(sight) for selector, sight in found.items()}


def seen(domain: SendingDomain, at: datetime = NOON, **found: Sight) -> SendingDomain:
    return domain.after(sights(domain, **found), at)


def selectors(keys: tuple[DkimKey, ...]) -> list[str]:
    return [key.selector for key in keys]


VERIFIED = seen(NEW, one=Sight.THERE)


def test_a_domain_comes_back_from_its_record() -> None:
    domain = replace(
        VERIFIED.with_keys([replace(ED25519, by_rotation=True, replaces=("one",), retired_at=NOON)]),
        region="eu-west-1",
        tls="enforced",
        return_path=replace(PATH, in_use=True),
        deleted_at=NOON,
    )
    assert SendingDomain.from_record(domain.record()) == domain
    assert RSA.purpose("example.org") == "dkim one._domainkey.example.org"


def test_what_the_first_version_stored_is_still_read() -> None:
    domain = SendingDomain.from_record(
        {
            "id": "5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57",
            "name": "example.org",
            "verified": True,
            "created_at": "2026-11-24T12:00:00+00:00",
            "keys": [{"selector": "postroom", "sealed": "sealed", "record": "v=DKIM1; k=rsa; p=x"}],
        }
    )
    assert (domain.verified, domain.status, selectors(domain.signers)) == (True, "verified", ["postroom"])


def test_a_key_signs_once_it_is_seen_and_letters_are_taken_then() -> None:
    assert (NEW.status, NEW.verified, NEW.signers) == ("not_started", False, ())
    awaited = seen(NEW, one=Sight.ABSENT)
    assert (awaited.status, awaited.verified, awaited.signers) == ("pending", False, ())
    assert (VERIFIED.status, VERIFIED.verified, selectors(VERIFIED.signers)) == ("verified", True, ["one"])
    wrong = seen(awaited, one=Sight.WRONG)
    assert (wrong.status, wrong.verified, wrong.signers) == ("failed", False, ())


def test_a_silence_of_dns_takes_nothing_away() -> None:
    silent = seen(VERIFIED, one=Sight.SILENT)
    assert (silent.status, silent.verified, selectors(silent.signers)) == ("verified", True, ["one"])
    assert silent.seen(RSA.published("example.org")).status is RecordStatus.TEMPORARY_FAILURE
    assert (seen(NEW, one=Sight.SILENT).status, seen(NEW, one=Sight.SILENT).verified) == ("pending", False)


@pytest.mark.parametrize("sight", [Sight.ABSENT, Sight.WRONG])
def test_a_key_that_is_gone_proves_nothing_any_more(sight: Sight) -> None:
    gone = seen(VERIFIED, one=sight)
    assert (gone.status, gone.verified, gone.in_force) == ("failed", False, ())
    assert seen(gone, one=Sight.THERE).verified


def test_one_key_of_two_is_enough_and_the_other_is_told_of() -> None:
    both = NEW.with_keys([ED25519])
    half = seen(both, one=Sight.THERE, two=Sight.ABSENT)
    assert (half.status, half.verified, selectors(half.signers)) == ("partially_verified", True, ["one"])
    wrong = seen(both, one=Sight.THERE, two=Sight.WRONG)
    assert (wrong.status, wrong.verified, selectors(wrong.signers)) == ("partially_failed", True, ["one"])
    whole = seen(half, two=Sight.THERE)
    assert (whole.status, selectors(whole.signers)) == ("verified", ["one", "two"])


def test_the_old_key_signs_until_the_new_one_is_seen_and_is_kept_after_that() -> None:
    rotating = VERIFIED.with_keys([replace(RSA, selector="next", by_rotation=True, replaces=("one",))])
    assert (rotating.status, selectors(rotating.signers)) == ("verified", ["one"])
    still = seen(rotating, one=Sight.THERE, next=Sight.ABSENT)
    assert (still.status, selectors(still.signers)) == ("verified", ["one"])
    rotated = seen(still, NOON + LIFE, one=Sight.THERE, next=Sight.THERE)
    assert (rotated.status, selectors(rotated.signers), selectors(rotated.keys)) == (
        "verified",
        ["next"],
        ["one", "next"],
    )
    # The record of a retired key may go: nothing that is taken now depends on it.
    later = seen(rotated, NOON + LIFE * 2, one=Sight.ABSENT, next=Sight.THERE)
    assert (later.status, later.verified) == ("verified", True)
    assert selectors(later.without_old_keys(NOON + LIFE * 2, LIFE).keys) == ["one", "next"]
    assert selectors(later.without_old_keys(NOON + LIFE * 2 + timedelta(seconds=1), LIFE).keys) == ["next"]


def test_keys_that_were_made_while_somebody_looked_stay_as_they_are() -> None:
    found = sights(VERIFIED, one=Sight.THERE)
    meanwhile = VERIFIED.with_keys([replace(RSA, selector="next", by_rotation=True, replaces=("one",))])
    assert meanwhile.after(found, NOON).keys == meanwhile.keys


def test_a_deleted_domain_takes_no_letters_and_keeps_its_keys_for_those_it_took() -> None:
    gone = VERIFIED.deleted(NOON)
    assert (gone.verified, selectors(gone.signers)) == (False, ["one"])
    assert selectors(gone.without_old_keys(NOON + LIFE, LIFE).keys) == ["one"]
    assert gone.without_old_keys(NOON + LIFE + timedelta(seconds=1), LIFE).keys == ()


def test_a_domain_that_is_made_anew_signs_what_the_old_one_took() -> None:
    anew = VERIFIED.deleted(NOON).succeeded_by(replace(NEW, id="other", keys=(replace(RSA, selector="three"),)))
    assert (anew.id, anew.verified, anew.status) == ("other", False, "not_started")
    assert selectors(anew.signers) == ["one"]
    proven = seen(anew, three=Sight.THERE)
    assert (proven.verified, selectors(proven.signers), selectors(proven.keys)) == (True, ["three"], ["one", "three"])


def test_a_return_path_is_used_once_all_its_servers_are_seen() -> None:
    domain = replace(VERIFIED, return_path=PATH)
    first, second = (each.key for each in PATH.records)
    assert (domain.status, domain.returns_to("bounces.example.net")) == ("partially_verified", "bounces.example.net")
    half = domain.after({first: Finding(Sight.THERE), second: Finding(Sight.ABSENT)}, NOON)
    assert (half.status, half.returns_to(None)) == ("partially_verified", None)
    whole = domain.after({first: Finding(Sight.THERE), second: Finding(Sight.THERE)}, NOON)
    assert (whole.status, whole.returns_to(None)) == ("verified", "send.example.org")
    silent = whole.after({first: Finding(Sight.THERE), second: Finding(Sight.SILENT)}, NOON)
    assert (silent.status, silent.returns_to(None)) == ("verified", "send.example.org")
    gone = whole.after({first: Finding(Sight.WRONG), second: Finding(Sight.THERE)}, NOON)
    assert (gone.status, gone.verified, gone.returns_to(None)) == ("partially_failed", True, None)


@pytest.mark.parametrize(
    ("asked", "opportunistic", "enforced"),
    [(None, None, "require"), ("opportunistic", "opportunistic", "require"), ("verify", "verify", "verify")],
)
def test_a_domain_can_want_tls_for_all_its_letters(asked: str | None, opportunistic: str, enforced: str) -> None:
    assert VERIFIED.least_security(asked) == opportunistic
    assert replace(VERIFIED, tls="enforced").least_security(asked) == enforced


def test_what_is_awaited_is_told_from_what_is_gone() -> None:
    awaited = Seen().after(Finding(Sight.ABSENT))
    assert awaited.status is RecordStatus.PENDING
    gone = awaited.after(Finding(Sight.THERE)).after(Finding(Sight.ABSENT))
    assert gone.status is RecordStatus.FAILED
    assert gone.after(Finding(Sight.ABSENT)).status is RecordStatus.FAILED
    told = awaited.after(Finding(Sight.WRONG, text="v=spf1 -all")).after(Finding(Sight.SILENT, "no answer"))
    assert (told.status, told.text) == (RecordStatus.TEMPORARY_FAILURE, "v=spf1 -all")
