"""Documents by name and by id, over every home's directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from postroom.catalog import Catalog, newest_first
from postroom.ports import Cursor, Directory, UnknownCursor

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def an_id(minutes: int) -> str:
    return newest_first(NOON + timedelta(minutes=minutes), os.urandom)


def test_ids_are_uuids_of_which_the_newest_sorts_first() -> None:
    ids = [an_id(minutes) for minutes in range(10)]
    assert sorted(ids, reverse=True) == ids
    assert {UUID(each).version for each in ids} == {8}


def test_a_document_is_found_by_its_name_and_by_its_id(directory: Directory) -> None:
    catalog = Catalog(directory, "domain")
    document = {"id": an_id(0), "name": "shop.example"}
    assert catalog.add("shop.example", document) == document
    assert catalog.add("shop.example", {"id": an_id(1), "name": "shop.example"}) == document
    assert catalog.get("shop.example") == document
    assert catalog.by_id(document["id"]) == ("shop.example", document)
    assert catalog.by_id(an_id(2)) is None
    assert catalog.remove("shop.example") == document
    assert catalog.remove("shop.example") is None
    assert catalog.get("shop.example") is None
    assert catalog.by_id(document["id"]) is None
    assert not catalog.page(Cursor()).items


def test_pages_lead_through_all_documents_newest_first_both_ways(directory: Directory) -> None:
    catalog = Catalog(directory, "domain")
    documents = [{"id": an_id(minutes), "even": minutes % 2 == 0} for minutes in range(7)]
    for document in documents:
        catalog.add(str(document["id"]), document)
    newest = documents[::-1]
    ids = [str(each["id"]) for each in newest]
    first = catalog.page(Cursor(limit=3))
    assert (list(first.items), first.has_more) == (newest[:3], True)
    second = catalog.page(Cursor(after=ids[2], limit=4))
    assert (list(second.items), second.has_more) == (newest[3:], False)
    back = catalog.page(Cursor(before=ids[4], limit=3))
    assert (list(back.items), back.has_more) == (newest[1:4], True)
    even = catalog.page(Cursor(limit=3), lambda document: bool(document["even"]))
    assert (list(even.items), even.has_more) == (newest[::2][:3], True)
    with pytest.raises(UnknownCursor):
        catalog.page(Cursor(after=an_id(9)))


def test_what_a_crash_left_in_the_index_alone_is_not_there(directory: Directory) -> None:
    catalog = Catalog(directory, "domain")
    lost, kept = an_id(0), {"id": an_id(1)}
    catalog.add("kept", kept)
    directory.put("domain_id", lost, {"name": "lost"})
    assert catalog.by_id(lost) is None
    assert list(catalog.page(Cursor()).items) == [kept]
