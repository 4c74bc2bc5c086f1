"""The routes table, and who shares a session."""

from collections.abc import Sequence

import pytest

from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import MX_FOR_EVERYTHING, Exchanger, NoRoute, in_order, preferred

TABLE = """
[[route]]
name = "partner"
match = "*.example.net"
via = "smtp://postroom:secret@relay.example.org"

[[route]]
match = "*"
"""

BY_SERVERS = """
[[route]]
name = "google"
match = "*.example.net"
mx = "*.google.com"
class = "google"

[[route]]
name = "relay"
match = "*.net"
via = "smtp://relay.example.org"

[[route]]
name = "outlook"
mx = "*.outlook.com"

[[route]]
name = "rest"
"""


def test_recipients_of_one_domain_share_a_parcel_and_a_relay_takes_all_of_its_route() -> None:
    groups = parse_routes(TABLE, {}).group(
        ["a.example.net", "example.com", "b.example.net", "example.org", "example.com"]
    )
    assert {key: positions for key, (_, positions) in groups.items()} == {
        ("partner", "relay.example.org:587"): [0, 2],
        ("route-2", "example.com"): [1, 4],
        ("route-2", "example.org"): [3],
    }


def test_a_domain_stays_by_itself_until_its_servers_are_known() -> None:
    """A relay's recipients share a parcel, but for those that a route by servers may still take away."""
    groups = parse_routes(BY_SERVERS, {}).group(["a.example.net", "b.example.net", "a.net", "b.net", "example.com"])
    assert list(groups) == [
        ("relay", "a.example.net"),
        ("relay", "b.example.net"),
        ("relay", "relay.example.org:587"),
        ("rest", "example.com"),
    ]


def test_a_route_by_servers_takes_what_goes_to_them_from_the_routes_behind_it() -> None:
    routes = parse_routes(BY_SERVERS, {})
    google, relay, outlook, rest = routes.table
    assert routes.by_servers(rest, "example.net") == (outlook,)
    assert routes.by_servers(rest, "a.example.net") == (google, outlook)
    assert routes.by_servers(relay, "a.example.net") == (google,)
    assert routes.by_servers(google, "a.example.net") == ()
    assert google.takes_servers(["ASPMX.L.Google.com", "alt1.aspmx.l.google.com"])
    assert not google.takes_servers(["aspmx.l.google.com", "mx.example.net"])
    assert not google.takes_servers([])
    assert not rest.takes_servers(["aspmx.l.google.com"])


def test_where_a_domains_mail_goes_is_told_by_its_most_preferred_servers() -> None:
    found = [Exchanger(20, "backup.example.net"), Exchanger(10, "a.google.com"), Exchanger(10, "b.google.com")]
    assert preferred(found) == ("a.google.com", "b.google.com")
    assert preferred([]) == ()


def test_a_letter_may_name_its_route() -> None:
    assert list(MX_FOR_EVERYTHING.group(["example.com"], "mx")) == [("mx", "example.com")]
    assert list(parse_routes(BY_SERVERS, {}).group(["a.example.net"], "relay")) == [("relay", "relay.example.org:587")]
    with pytest.raises(NoRoute, match="no route named 'moon'"):
        MX_FOR_EVERYTHING.group(["example.com"], "moon")


def test_a_domain_without_a_route_is_an_error() -> None:
    with pytest.raises(NoRoute, match=r"example\.com"):
        parse_routes('[[route]]\nmatch = "*.net"', {}).group(["example.com"])


def test_exchangers_go_by_preference_and_equal_ones_as_they_are_drawn() -> None:
    found = [Exchanger(20, "backup"), Exchanger(10, "a"), Exchanger(10, "b"), Exchanger(10, "a")]
    assert hosts(in_order(found, lambda _: None)) == ["a", "b", "backup"]
    assert hosts(in_order(found, lambda drawn: drawn.reverse())) == ["a", "b", "backup"]
    assert hosts(in_order(found[:3], lambda drawn: drawn.reverse())) == ["b", "a", "backup"]


def hosts(exchangers: Sequence[Exchanger]) -> list[str]:
    return [each.host for each in exchangers]
