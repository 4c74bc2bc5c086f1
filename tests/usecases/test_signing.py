"""Which keys sign a letter: those in force when it is franked, and the same ones ever after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.seal import SealError, pair, seal
from postroom.message.dkim import UnusableKey, new_key
from postroom.remembered import Remembered
from postroom.signing import signing
from tests.api.fakes import Drawer
from tests.usecases.office import NOON, UseCases, deferred, taken

PUBLIC, PRIVATE = pair(b"\x07" * 32)


def key(selector: str, *, signs: bool = True, domain: str = "example.org") -> DkimKey:
    bare = DkimKey(selector, "", f"v=DKIM1; k=ed25519; p={selector}", signs=signs)
    return replace(bare, sealed=seal(new_key("ed25519"), PUBLIC, bare.purpose(domain)))


DOMAIN = SendingDomain("id", "example.org", True, NOON, (key("one"), key("two"), key("new", signs=False)))


def kept(domain: SendingDomain = DOMAIN) -> Drawer:
    drawer = Drawer()
    drawer.put("domain", domain.name, domain.record())
    return drawer


def test_what_is_franked_now_is_signed_by_all_keys_in_force() -> None:
    drawer = kept()
    found = signing(drawer, PRIVATE, drawer)("example.org", None)
    assert [(each.domain, each.selector) for each in found] == [("example.org", "one"), ("example.org", "two")]
    assert signing(drawer, PRIVATE, drawer)("example.com", None) == ()


def test_what_was_franked_keeps_its_keys_in_their_order() -> None:
    retired = replace(DOMAIN, keys=tuple(replace(each, retired_at=NOON) for each in DOMAIN.keys)).with_keys([key("n")])
    for domain in (DOMAIN, retired, retired.deleted(NOON)):
        drawer = kept(domain)
        keys = signing(drawer, PRIVATE, drawer)
        assert [each.selector for each in keys("example.org", ("two", "one"))] == ["two", "one"]
        assert keys("example.org", ()) == ()


def test_a_key_that_is_gone_is_missed_and_no_letter_goes_unsigned() -> None:
    drawer = kept()
    with pytest.raises(UnusableKey, match="signed under gone before, and that key is gone"):
        signing(drawer, PRIVATE, drawer)("example.org", ("one", "gone"))
    with pytest.raises(UnusableKey, match="that key is gone"):
        signing(Drawer(), PRIVATE, drawer)("example.com", ("one",))


def test_a_key_that_is_too_new_for_the_memory_is_looked_up() -> None:
    drawer = kept()
    memory = Remembered(drawer, 60, lambda: 0.0)
    keys = signing(memory, PRIVATE, drawer)
    keys("example.org", None)
    drawer.put("domain", "example.org", DOMAIN.with_keys([key("newer")]).record())
    assert [each.selector for each in keys("example.org", ("newer",))] == ["newer"]


def test_a_key_can_not_be_moved_to_another_domain() -> None:
    drawer = Drawer()
    drawer.put("domain", "example.com", DOMAIN.record())
    with pytest.raises(SealError):
        signing(drawer, PRIVATE, drawer)("example.com", None)


def test_a_letter_that_is_tried_again_is_signed_as_before_whatever_became_of_the_domain(office: UseCases) -> None:
    office.directory.put("domain", "example.org", DOMAIN.record())
    worker = replace(office.deliver, signing=signing(office.directory, PRIVATE, office.directory))
    office.wire.judge = deferred
    letter = office.submit()
    task, _ = office.schedule.take()
    worker(task)
    office.directory.put("domain", "example.org", DOMAIN.deleted(office.now + timedelta(seconds=1)).record())
    task, office.now = office.schedule.take()
    office.wire.judge = taken
    worker(task)
    first, second = (mail.octets for mail in office.wire.carried)
    assert first == second
    assert first.count(b"DKIM-Signature:") == 2
    assert office.statuses(letter) == ["delivered"]
