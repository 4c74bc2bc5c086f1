"""Signed links: who changes any part of one has none."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom.account.links import Links

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD, NEW = b"\x01" * 32, b"\x02" * 32
PATH = "/emails/1/attachments/2/download"


def test_a_link_is_good_until_its_end_and_for_nothing_else() -> None:
    links = Links((OLD,))
    query = links.query(PATH, NOON)
    assert links.good(PATH, query, NOON - timedelta(seconds=1))
    assert not links.good(PATH, query, NOON)
    assert not links.good(f"{PATH}2", query, NOON - timedelta(seconds=1))
    assert not links.good(PATH, {**query, "expires": str(int(query["expires"]) + 1)}, NOON - timedelta(seconds=1))


def test_the_first_key_signs_and_every_key_verifies() -> None:
    before, between, after = Links((OLD,)), Links((NEW, OLD)), Links((NEW,))
    early = NOON - timedelta(hours=1)
    assert between.good(PATH, before.query(PATH, NOON), early)
    assert after.good(PATH, between.query(PATH, NOON), early)
    assert not after.good(PATH, before.query(PATH, NOON), early)
    assert repr(OLD) not in repr(before)


@pytest.mark.parametrize(
    "changes",
    [
        {"expires": ""},
        {"expires": "-1"},
        {"expires": "1e9"},
        {"expires": "٣"},
        {"expires": "9" * 13},
        {"signature": ""},
        {"signature": "ä"},
        {"signature": "\ud800"},
        {"signature": "A" * 43},
    ],
)
def test_nonsense_is_no_link(changes: dict[str, str]) -> None:
    links = Links((OLD,))
    assert not links.good(PATH, {**links.query(PATH, NOON), **changes}, NOON - timedelta(hours=1))
    assert not links.good(PATH, {}, NOON - timedelta(hours=1))
