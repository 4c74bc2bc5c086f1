"""Samples have the members of what they are samples of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from postroom.account.sample import sample
from postroom.account.webhook import OURS
from postroom.delivery.news import News
from postroom.delivery.payload import letter_event
from tests.contracts.samples import NOON, submission

AT = "2030-01-02T12:00:00.000Z"


def names(value: Any) -> Any:
    """The members of an object, and of those within."""
    return {name: names(each) for name, each in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize("type_", [each for each in OURS if each.startswith("email.")])
def test_a_sample_of_a_letter_looks_like_a_letter(type_: str) -> None:
    word = type_.removeprefix("email.")
    letter = replace(submission(), tags=(("category", "receipt"),))
    news = News(recipient=0, word=word, at=NOON, code=550, response="550 no such user", cause="bounce")
    parcel = replace(letter.parcels[0], news=(news,))
    real = json.loads(letter_event(letter, parcel, 0, ()))
    assert real["type"] == type_
    assert names(sample(type_, AT)) == names(real["data"])


@pytest.mark.parametrize("type_", OURS)
def test_a_sample_of_each_type_is_plain_json(type_: str) -> None:
    data = sample(type_, AT)
    assert json.loads(json.dumps(data)) == data
