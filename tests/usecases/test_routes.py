"""Which route a letter goes by: chosen by name when it is taken, by its servers once they are known, by a fallback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import Exchanger, Host, Routes, Target
from postroom.delivery.task import DeliveryTask
from postroom.destination import Destinations, Elsewhere
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate, Verdict
from tests.usecases.office import FakeResolver, UseCases

GOOGLE = MxFound((Exchanger(10, "aspmx.l.google.com"), Exchanger(20, "backup.example.net")))
OTHERS = MxFound((Exchanger(10, "mx.example.net"), Exchanger(20, "aspmx.l.google.com")))

BY_SERVERS = """
[[route]]
name = "google"
mx = "*.google.com"
class = "google"
tls = "require"

[[route]]
name = "relay"
match = "*.org"
via = "smtp://relay.example.org"

[[route]]
name = "rest"
"""

Make = Callable[[str], UseCases]


@pytest.fixture
def office_with(tmp_path: Path) -> Iterator[Make]:
    made: list[UseCases] = []

    def make(routes: str) -> UseCases:
        made.append(UseCases(tmp_path, parse_routes(routes, {})))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize(("recipient", "before"), [("bob@example.net", "rest"), ("bob@example.org", "relay")])
def test_a_letter_is_moved_to_the_class_of_the_route_that_its_servers_belong_to(
    office_with: Make, recipient: str, before: str
) -> None:
    office = office_with(BY_SERVERS)
    office.resolver.answer = GOOGLE
    letter = office.submit(recipient)
    first, _ = office.schedule.take()
    assert (first.route, first.queue) == (before, "default")
    office.deliver(first)
    assert not office.wire.carried, "it isn't carried in a class that isn't its own"
    second, at = office.schedule.take()
    assert (second.route, second.queue, at) == ("google", "google", office.now)
    office.deliver(second)
    target = office.wire.targets[-1]
    assert (target.route, target.security, target.hosts[0]) == (
        "google",
        Security.REQUIRE,
        Host("aspmx.l.google.com", 25),
    )
    assert office.statuses(letter) == ["delivered"]
    assert office.outcomes(letter) == ["accepted"], "to be moved is no attempt"
    office.deliver(first)
    assert not office.schedule.put_, "the task that moved it has nothing left to do"


@pytest.mark.parametrize(
    "answer", [OTHERS, NullMx(), NoDomain("none"), NoAnswer("silence")], ids=lambda it: str(it)[:6]
)
def test_a_relay_keeps_what_doesnt_go_to_those_servers(office_with: Make, answer: MxFound | NullMx) -> None:
    office = office_with(BY_SERVERS)
    office.resolver.answer = answer
    letter = office.submit("bob@example.org")
    task, _ = office.schedule.take()
    office.deliver(task)
    assert [target.route for target in office.wire.targets] == ["relay"]
    assert office.statuses(letter) == ["delivered"]


def test_a_letter_that_names_its_route_stays_there(office_with: Make) -> None:
    office = office_with(BY_SERVERS)
    office.resolver.answer = GOOGLE
    letter = office.submit("bob@example.net", route="rest")
    task, _ = office.schedule.take()
    office.deliver(task)
    assert [target.route for target in office.wire.targets] == ["rest"]
    assert office.statuses(letter) == ["delivered"]


FALLBACKS = """
[[route]]
name = "first"
match = "*.net"
fallback = "second"

[[route]]
name = "second"
match = "*.second"
via = "smtp://relay.example.org:2525"
fallback = "third"

[[route]]
name = "third"
match = "*.third"
via = "smtps://relay.example.com"
"""


def found(routes: Routes, resolver: FakeResolver, route: str, destination: str) -> Target | Verdict | Elsewhere:
    destinations = Destinations(routes=routes, resolver=resolver, shuffle=lambda _: None)
    return destinations(DeliveryTask("default", route, destination, ()))


def test_a_fallback_has_its_own_fallback() -> None:
    target = found(parse_routes(FALLBACKS, {}), FakeResolver(), "first", "example.net")
    assert isinstance(target, Target)
    assert target.hosts == (Host("mx.example.net", 25),)
    assert target.fallback is not None
    assert target.fallback.hosts == (Host("relay.example.org", 2525),)
    assert target.fallback.fallback is not None
    assert (target.fallback.fallback.route, target.fallback.fallback.fallback) == ("third", None)


def test_where_dns_is_silent_the_fallback_carries_the_letter() -> None:
    target = found(parse_routes(FALLBACKS, {}), FakeResolver(NoAnswer("silence")), "first", "example.net")
    assert isinstance(target, Target)
    assert target.route == "second"


@pytest.mark.parametrize("answer", [NullMx(), NoDomain("none")], ids=["null MX", "no domain"])
def test_a_domain_that_takes_no_mail_takes_none_by_a_fallback(answer: NullMx | NoDomain) -> None:
    verdict = found(parse_routes(FALLBACKS, {}), FakeResolver(answer), "first", "example.net")
    assert isinstance(verdict, Verdict)
    assert verdict.fate is Fate.REFUSED


def test_recipients_of_several_domains_share_a_relay_unless_its_fallback_asks_their_own_servers() -> None:
    tables = {
        to: f'[[route]]\nvia = "smtp://relay.example.org"\nfallback = "{to}"\n[[route]]\nname = "other"\n'
        f'via = "smtp://other.example.org"\n[[route]]\nname = "own"\n'
        for to in ("other", "own")
    }
    groups = {to: list(parse_routes(table, {}).group(["a.net", "b.net"])) for to, table in tables.items()}
    assert groups["other"] == [("route-1", "relay.example.org:587")]
    assert groups["own"] == [("route-1", "a.net"), ("route-1", "b.net")]


def test_a_letter_for_a_relay_waits_where_its_route_leads_to_domains_now() -> None:
    verdict = found(parse_routes('[[route]]\nname = "r"', {}), FakeResolver(), "r", "relay.example.org:587")
    assert isinstance(verdict, Verdict)
    assert (verdict.fate, verdict.cause) == (Fate.DEFERRED, "no_route")
    assert "relay.example.org:587" in str(verdict.note)
