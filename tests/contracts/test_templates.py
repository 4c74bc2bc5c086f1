"""Templates over every home's directory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from postroom.account.template import LARGEST, TooLarge, Version
from postroom.ports import Cursor, Directory, Unavailable
from postroom.templates import AliasTaken, Templates, UnknownTemplate

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def templates(directory: Directory) -> Templates:
    seconds = count()
    return Templates(
        directory=directory,
        versions=directory,
        clock=lambda: NOON + timedelta(seconds=next(seconds)),
        randomness=os.urandom,
    )


def edited(templates: Templates, name: str, html: str) -> None:
    templates.edit(name, lambda version, _: replace(version, html=html), {})


def test_what_is_published_stays_while_the_draft_is_edited(templates: Templates) -> None:
    made = templates.create("Welcome", "welcome", Version(html="first"))
    assert templates.get("welcome") == (made, Version(html="first"))
    assert made.published is None
    published = templates.publish(made.id).published
    edited(templates, "welcome", "second")
    assert published is not None
    assert templates.version(published) == Version(html="first")
    assert templates.get(made.id)[1] == Version(html="second")
    assert templates.publish("welcome").published != published
    assert templates.version(published) == Version(html="first")  # somebody may still be at it
    (listed,) = templates.page(Cursor()).items
    assert listed == templates.head("welcome")
    templates.remove("welcome")
    assert templates.version(published) is None
    assert not templates.page(Cursor()).items
    with pytest.raises(UnknownTemplate):
        templates.get(made.id)


def test_a_version_of_the_largest_size_fits(templates: Templates) -> None:
    room = LARGEST - len("\u20ac") - 200
    large = Version(html="\u20ac" * (room // 6))  # six octets each, as JSON in ASCII
    made = templates.create("Large", None, large)
    assert templates.get(made.id)[1] == large
    with pytest.raises(TooLarge):
        templates.create("Too large", "large", Version(html="x" * LARGEST))
    assert templates.create("Still free", "large", Version(html="x")).alias == "large"


def test_of_those_who_want_one_alias_at_once_one_gets_it(templates: Templates) -> None:
    def attempt(number: int) -> str | None:
        try:
            return templates.create(str(number), "wanted", Version(html=str(number))).id
        except AliasTaken:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [each for each in pool.map(attempt, range(4)) if each is not None]
    assert len(made) <= 1
    assert [each.id for each in templates.page(Cursor()).items] == made
    if made:
        assert templates.head("wanted").id == made[0]


def test_of_edits_at_once_none_is_lost(templates: Templates) -> None:
    made = templates.create("Counted", None, Version(html=""))

    def attempt(letter: str) -> bool:
        try:
            templates.edit(made.id, lambda version, _: replace(version, html=version.html + letter), {})
        except Unavailable:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        done = [letter for letter, kept in zip("abc", pool.map(attempt, "abc"), strict=True) if kept]
    assert done
    assert sorted(templates.get(made.id)[1].html) == done
