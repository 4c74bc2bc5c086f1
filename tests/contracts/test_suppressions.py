"""The suppression list over every home's directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.suppression import Origin
from postroom.message.address import Mailbox
from postroom.ports import Cursor, Directory
from postroom.suppressions import Suppressions

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
ANN, BOB = Mailbox.parse("ann@home.example"), Mailbox.parse("b/öb@home.example")


class Clock:
    """Later at every look, so that what came first is told from what came later."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def suppressions(directory: Directory) -> Suppressions:
    return Suppressions(directory=directory, clock=Clock(), randomness=os.urandom)


def test_an_address_is_on_the_list_until_it_is_taken_off(suppressions: Suppressions) -> None:
    ann = suppressions.add(ANN)
    assert suppressions.add(ANN) == ann
    suppressions.add_for(BOB, Origin.BOUNCE, "a letter", NOON)
    found = suppressions.among([ANN.key, BOB.key, "carl@home.example"])
    assert found == {ANN.key: ann, BOB.key: suppressions.by_address(BOB)}
    assert suppressions.by_id(ann.id) == ann
    assert suppressions.page(Cursor()).items == (found[BOB.key], ann)
    assert suppressions.page(Cursor(), Origin.BOUNCE).items == (found[BOB.key],)
    suppressions.remove(found[BOB.key])
    assert suppressions.by_address(BOB) is None
    assert suppressions.page(Cursor()).items == (ann,)
    assert suppressions.page(Cursor(), Origin.BOUNCE).items == ()


def test_whoever_was_taken_off_the_list_is_not_put_back_for_what_was_said_before(suppressions: Suppressions) -> None:
    bounced_at = suppressions.clock()
    suppressions.add_for(ANN, Origin.BOUNCE, "a letter", bounced_at)
    suppressions.remove_by_addresses([ANN])
    suppressions.add_for(ANN, Origin.BOUNCE, "a letter", bounced_at)
    assert suppressions.by_address(ANN) is None
    suppressions.add_for(ANN, Origin.BOUNCE, "a later letter", suppressions.clock())
    ann = suppressions.by_address(ANN)
    assert ann is not None
    assert ann.source_id == "a later letter"


def test_a_batch_is_done_address_by_address(suppressions: Suppressions) -> None:
    mailboxes = [Mailbox.parse(f"{number}@home.example") for number in range(20)]
    added = suppressions.add_many([*mailboxes, mailboxes[0]])
    assert [each.email for each in added] == [each.key for each in mailboxes]
    assert len(suppressions.page(Cursor(limit=30)).items) == 20
    ids = [each.id for each in added[:10]]
    assert {each.id for each in suppressions.remove_by_ids([*ids, ids[0]])} == set(ids)
    assert suppressions.remove_by_ids(ids) == []
    assert {each.email for each in suppressions.remove_by_addresses(mailboxes)} == {each.key for each in mailboxes[10:]}
    assert suppressions.page(Cursor()).items == ()
