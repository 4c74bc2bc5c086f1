"""SPF, by cases in spf_cases.toml that a postmaster can read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.account.spf.evaluation import Answer, Question, Result, Spf, check
from postroom.account.spf.record import BadRecord, parse

CASES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("spf_cases.toml").read_text())["case"]


def evaluated(case: Mapping[str, Any]) -> tuple[Spf, int]:
    """The result, and how many questions it took."""

    def answer(question: Question) -> Answer:
        found = case["dns"].get(question.name, {}).get(question.kind, ())
        if found is False:
            return None
        return tuple(each.replace("LONG", "x" * 60_000) for each in found)

    asking = check(case.get("address", "192.0.2.10"), "example.org", "mail.example.org", local=case.get("local", "ann"))
    asked = 0
    question = next(asking)
    while True:
        asked += 1
        try:
            question = asking.send(answer(question))
        except StopIteration as end:
            return end.value, asked


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_record_says_of_an_address(case: Mapping[str, Any]) -> None:
    found, asked = evaluated(case)
    assert found.result == case["result"], found
    assert case.get("why", "") in found.why
    assert found.lookups == case.get("lookups", found.lookups)
    assert asked <= 1 + 11 * 11


def test_every_result_has_a_case() -> None:
    assert {case["result"] for case in CASES} == set(Result)


@settings(deadline=None)  # a busy machine is no bad record
@given(st.text(alphabet=st.sampled_from("aimxepctr=:/%{}.dl+-?~ 0123456789"), max_size=60))
def test_whatever_is_published_is_a_record_or_a_bad_one(text: str) -> None:
    with suppress(BadRecord):
        terms = parse(f"v=spf1 {text}").mechanisms
        assert {each.kind for each in terms} <= {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}
        assert len(terms) <= len(text.split())
