"""Which hosts a session may go to, by what DNS says; what it says instead of hosts is told in test_deliver.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from postroom.delivery.routing import MX_FOR_EVERYTHING, Exchanger, Host, Target
from postroom.delivery.task import DeliveryTask
from postroom.destination import MOST_HOSTS, Destinations, Elsewhere
from postroom.ports import MxFound
from postroom.smtp.verdict import Fate, Verdict
from tests.usecases.office import FakeResolver

US = "mx.example.org"
TASK = DeliveryTask("default", "mx", "example.net", ())


def found(
    *exchangers: tuple[int, str], shuffle: Callable[[list[Exchanger]], None] = lambda _: None
) -> Target | Verdict | Elsewhere:
    resolver = FakeResolver(MxFound(tuple(Exchanger(preference, host) for preference, host in exchangers)))
    return Destinations(
        routes=MX_FOR_EVERYTHING, resolver=resolver, shuffle=shuffle, smtp_port=2525, us=frozenset({US})
    )(TASK)


def hosts(target: Target | Verdict | Elsewhere) -> list[str]:
    assert isinstance(target, Target)
    return [host.name for host in target.hosts]


def test_hosts_are_asked_by_preference_and_equal_ones_as_they_are_drawn() -> None:
    records = [(20, "last"), (10, "first"), (10, "second")]
    assert hosts(found(*records)) == ["first", "second", "last"]
    assert hosts(found(*records, shuffle=list.reverse)) == ["second", "first", "last"]


def test_an_attempt_asks_few_hosts() -> None:
    target = found(*[(number, f"mx{number}") for number in range(1000)])
    assert hosts(target) == [f"mx{number}" for number in range(MOST_HOSTS)]


def test_hosts_that_are_no_nearer_than_ourselves_are_not_asked() -> None:
    target = found((5, "nearest"), (10, "equal"), (10, "MX.Example.ORG"), (20, "further"))
    assert isinstance(target, Target)
    assert target.hosts == (Host("nearest", 2525, 5),)


@pytest.mark.parametrize("others", [[], [(10, "equal")], [(20, "further")]])
def test_mail_that_would_come_back_to_us_waits_and_the_note_says_what_to_do(
    others: list[tuple[int, str]],
) -> None:
    verdict = found((10, US), *others)
    assert isinstance(verdict, Verdict)
    assert (verdict.fate, verdict.enhanced, verdict.cause) == (Fate.DEFERRED, "4.4.6", "loop")
    assert (
        verdict.note == "The MX of example.net is ourselves, mx.example.org (POSTROOM_HELO): give it a route of its own"
    )
