"""The register of sending domains, over every home's directory."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.domain import DkimKey, SendingDomain
from postroom.account.return_path import ReturnPath
from postroom.catalog import newest_first
from postroom.domain_register import DomainRegister, UnknownDomain, all_domains
from postroom.ports import Cursor, Directory
from tests.contracts.threads import at_once

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def a_domain(name: str = "example.org", *selectors: str, minutes: int = 0) -> SendingDomain:
    at = NOON + timedelta(minutes=minutes)
    keys = tuple(DkimKey(selector, "sealed", "v=DKIM1; k=rsa; p=x") for selector in selectors)
    return SendingDomain(newest_first(at, os.urandom), name, True, at, keys)


@pytest.fixture
def register(directory: Directory) -> DomainRegister:
    return DomainRegister(directory, lambda: NOON, timedelta(days=37))


def test_a_domain_is_added_found_changed_listed_and_removed(register: DomainRegister) -> None:
    first, second = a_domain("a.example", "one"), a_domain("b.example", "one", minutes=1)
    assert register.add(first) == first
    assert register.add(second) == second
    assert register.add(a_domain("a.example")) is None
    assert (register.get(first.id), register.named("b.example")) == (first, second)
    assert register.page(Cursor()).items == (second, first)
    assert list(all_domains(register.directory)) == [first, second]
    path = ReturnPath("send.a.example", ((10, "mx.example.net"),))
    changed = register.change(first.id, lambda domain: replace(domain, tls="enforced", return_path=path))
    assert register.get(first.id) == changed == replace(first, tls="enforced", return_path=path)
    register.remove(first.id)
    with pytest.raises(UnknownDomain):
        register.get(first.id)
    assert register.named("a.example") is None
    assert register.page(Cursor()).items == (second,)
    assert list(all_domains(register.directory)) == [second]


def test_a_name_that_was_removed_is_added_anew_with_the_keys_of_letters_under_way(register: DomainRegister) -> None:
    old, new = a_domain("example.org", "old"), a_domain("example.org", "new", minutes=1)
    register.add(old)
    register.remove(old.id)
    added = register.add(new)
    assert added is not None
    assert [key.selector for key in added.keys] == ["old", "new"]
    assert register.get(new.id) == register.named("example.org") == added
    assert register.page(Cursor()).items == (added,)
    with pytest.raises(UnknownDomain):
        register.get(old.id)


def test_domains_that_were_stored_before_there_was_an_index_are_found(register: DomainRegister) -> None:
    old = {
        "id": "5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57",
        "name": "old.example",
        "verified": True,
        "created_at": NOON.isoformat(),
        "keys": [{"selector": "postroom", "sealed": "sealed", "record": "v=DKIM1; k=rsa; p=x"}],
    }
    register.directory.put("domain", "old.example", old)
    assert register.get(str(old["id"])).keys[0].signs
    assert [each.name for each in register.page(Cursor()).items] == ["old.example"]


def test_of_many_who_add_a_name_at_once_one_does(register: DomainRegister) -> None:
    added = at_once(6, lambda n: register.add(a_domain("example.org", str(n))))
    (one,) = filter(None, added)
    assert register.named("example.org") == one
    assert register.page(Cursor()).items == (one,)


def test_of_many_changes_at_once_none_is_lost(register: DomainRegister) -> None:
    domain = a_domain()
    register.add(domain)
    at_once(6, lambda n: register.change(domain.id, lambda each: each.with_keys([DkimKey(str(n), "sealed", "x")])))
    assert sorted(key.selector for key in register.get(domain.id).keys) == list("012345")


def test_a_change_is_made_before_a_removal_or_not_at_all(register: DomainRegister) -> None:
    domain = a_domain()
    register.add(domain)

    def work(number: int) -> str | None:
        if number == 2:
            register.remove(domain.id)
            return None
        try:
            register.change(domain.id, lambda each: each.with_keys([DkimKey(str(number), "sealed", "x")]))
        except UnknownDomain:
            return None
        return str(number)

    made = sorted(filter(None, at_once(5, work)))
    assert register.named("example.org") is None
    document = register.directory.get("domain", "example.org")
    assert document is not None
    assert sorted(key.selector for key in SendingDomain.from_record(document).keys) == made
