"""The routes table, and who shares a session."""

import pytest

from postroom.delivery.routing import (
    MX_FOR_EVERYTHING,
    Exchanger,
    NoRoute,
    Relay,
    RoutesError,
    in_order,
    parse_routes,
)
from postroom.smtp.security import Credentials, Security

TABLE = """
[[route]]
name = "partner"
match = "*.example.net"
via = "smtp://postroom:${RELAY_PASSWORD}@relay.example.org"
tls = "verify"
class = "relay"

[[route]]
match = "*"
"""


def test_the_first_match_wins() -> None:
    routes = parse_routes(TABLE, {"RELAY_PASSWORD": "p@ss:w/rd#"})
    partner = routes.for_domain("mail.example.net")
    assert partner.relay == Relay("relay.example.org", 587, credentials=Credentials("postroom", "p@ss:w/rd#"))
    assert (partner.security, partner.queue) == (Security.VERIFY, "relay")
    assert routes.for_domain("example.com").name == "route-2"


def test_a_class_has_its_limits() -> None:
    (route,) = parse_routes('[[route]]\nclass = "slow"\nsessions = 2\nrate = 0.5\ndepth = 4', {}).table
    assert (route.queue, route.sessions, route.rate, route.depth) == ("slow", 2, 0.5, 4)


def test_recipients_of_one_domain_share_a_parcel_and_a_relay_takes_all_of_its_route() -> None:
    routes = parse_routes(TABLE, {"RELAY_PASSWORD": "x"})
    groups = routes.group(["a.example.net", "example.com", "b.example.net", "example.org", "example.com"])
    assert {key: positions for key, (_, positions) in groups.items()} == {
        ("partner", "relay.example.org:587"): [0, 2],
        ("route-2", "example.com"): [1, 4],
        ("route-2", "example.org"): [3],
    }


def test_a_letter_may_name_its_route() -> None:
    assert list(MX_FOR_EVERYTHING.group(["example.com"], "mx")) == [("mx", "example.com")]
    with pytest.raises(NoRoute, match="no route named 'moon'"):
        MX_FOR_EVERYTHING.group(["example.com"], "moon")


def test_a_domain_without_a_route_is_an_error() -> None:
    with pytest.raises(NoRoute, match=r"example\.com"):
        parse_routes('[[route]]\nmatch = "*.net"', {}).group(["example.com"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("route = 1", "must hold"),
        ("[[route", "not TOML"),
        ('[[route]]\ncolour = "red"', "route 1: colour"),
        ('[[route]]\nvia = "http://x"', "via must be"),
        ('[[route]]\nvia = "smtp://"', "via must be"),
        ('[[route]]\nvia = "smtp://u:${NOBODY}@h"', "NOBODY"),
        ('[[route]]\ntls = "maybe"', "tls must be"),
        ("[[route]]\ntls = true", "must be a string"),
        ('[[route]]\nclass = "Not A Queue"', "class must be"),
        ('[[route]]\nclass = "dead"', "dead letters"),
        ('[[route]]\nname="a"\n[[route]]\nname="a"', "two routes"),
        ('[[route]]\nmatch = "bob@example.net"', "match must be a domain"),
        ("[[route]]\nsessions = 0", "sessions must be"),
        ('[[route]]\nsessions = "4"', "sessions must be"),
        ("[[route]]\nrate = true", "rate must be"),
        ("[[route]]\nrate = nan", "rate must be"),
        ("[[route]]\ndepth = 5", "depth must be a whole number, 1 to 4"),
        ("[[route]]\ndepth = true", "depth must be"),
        ("[[route]]\nrate = 1\n[[route]]\nrate = 2", "class 'default' differ"),
    ],
)
def test_a_table_that_cant_be_used_says_why(text: str, problem: str) -> None:
    with pytest.raises(RoutesError, match=problem):
        parse_routes(text, {})


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(RoutesError, match=r"route 1: .*; route 2: "):
        parse_routes('[[route]]\ntls="x"\n[[route]]\nvia="x"', {})


def test_exchangers_go_by_preference_and_equal_ones_as_they_are_drawn() -> None:
    found = [Exchanger(20, "backup"), Exchanger(10, "a"), Exchanger(10, "b"), Exchanger(10, "a")]
    assert in_order(found, lambda _: None) == ("a", "b", "backup")
    assert in_order(found, lambda drawn: drawn.reverse()) == ("a", "b", "backup")
    assert in_order(found[:3], lambda drawn: drawn.reverse()) == ("b", "a", "backup")
