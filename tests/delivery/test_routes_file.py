"""The routes table as it is written: all that it can say, and every way to get it wrong."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.routes_file import RoutesError, parse_routes
from postroom.delivery.routing import Approach, Proxy, Relay, Route
from postroom.smtp.security import Credentials, Mechanism, Security

README = Path(__file__).parents[2] / "README.md"

EVERYTHING = """
[[route]]
name = "partner"
match = "*.Example.net"
via = "smtp://postroom:${RELAY_PASSWORD}@relay.example.org"
tls = "verify"
class = "relay"
fallback = "tunnel"

[[route]]
name = "google"
mx = "*.google.com"
class = "google"
sessions = 2
rate = 0.5
depth = 4
letters = 20
helo = "out-2.example.org"
source = "192.0.2.7"
timeouts = "connect=5s,final=2m"

[[route]]
name = "tunnel"
via = "socks5://us%2fer:${PROXY_PASSWORD}@proxy.example.org"

[[route]]
name = "by name alone"
via = "smtps://user:${TOKEN}@[2001:db8::1]?auth=xoauth2"
"""
SECRETS = {"RELAY_PASSWORD": "p@ss:w/rd#%41", "PROXY_PASSWORD": "x", "TOKEN": "ya29.token"}


def test_a_table_can_say_all_this() -> None:
    assert parse_routes(EVERYTHING, SECRETS).table == (
        Route(
            name="partner",
            match="*.example.net",
            relay=Relay("relay.example.org", 587, credentials=Credentials("postroom", "p@ss:w/rd#%41")),
            security=Security.VERIFY,
            queue="relay",
            fallback="tunnel",
        ),
        Route(
            name="google",
            mx="*.google.com",
            queue="google",
            sessions=2,
            rate=0.5,
            depth=4,
            approach=Approach(
                helo="out-2.example.org",
                source="192.0.2.7",
                letters=20,
                timeouts=(("connect", 5.0), ("final", 120.0)),
            ),
        ),
        Route(
            name="tunnel",
            approach=Approach(proxy=Proxy("proxy.example.org", 1080, Credentials("us/er", "x"))),
        ),
        Route(
            name="by name alone",
            relay=Relay("2001:db8::1", 465, True, Credentials("user", "ya29.token", Mechanism.XOAUTH2)),
        ),
    )


def test_the_first_match_wins() -> None:
    routes = parse_routes(EVERYTHING, SECRETS)
    assert routes.helos == ("out-2.example.org",)
    assert routes.for_domain("mail.example.net").name == "partner"
    assert routes.for_domain("example.com").name == "tunnel", "where its mail goes isn't known by its name"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("route = 1", "must hold"),
        ("route = [1]", "must be a table"),
        ("[[route]]\n[other]", "must hold"),
        ("[[route", "not TOML.*at end of document"),
        ('[[route]]\ncolour = "red"', "line 2, route 1: colour is not a setting"),
        ('[[route]]\nmatsch = "*.net"', "line 2, route 1: matsch .* did you mean match"),
        ('[[route]]\nvia = "http://x"', "line 2, route 1: via must be"),
        ('[[route]]\nvia = "smtp://"', "via must be"),
        ('[[route]]\nvia = "smtp://h:0"', "via must be"),
        ('[[route]]\nvia = "smtp://h:99999"', "via must be"),
        ('[[route]]\nvia = "smtp://h/path"', "via must be"),
        ('[[route]]\nvia = "smtp://u:${NOBODY}@h"', "via names NOBODY, which the environment doesn't set"),
        ('[[route]]\nvia = "smtp://u:${NO-NAME}@h"', "a variable is written"),
        ('[[route]]\nvia = "smtp://u@h"', "a user without a password"),
        ('[[route]]\nvia = "smtp://:p@h"', "a password without a user"),
        ('[[route]]\nvia = "smtp://u:%00@h"', "a control character"),
        ('[[route]]\nvia = "smtp://u:p@h?auth=cram-md5"', "may end in .auth= and one of plain, login, xoauth2"),
        ('[[route]]\nvia = "smtp://u:p@h?tls=no"', "may end in .auth="),
        ('[[route]]\nvia = "smtp://h?auth=login"', "but not as whom"),
        ('[[route]]\nvia = "socks5://u:p@h?auth=plain"', "for a relay"),
        (f'[[route]]\nvia = "socks5://{"u" * 256}:p@h"', "255 octets"),
        ('[[route]]\ntls = "maybe"', "tls must be one of"),
        ("[[route]]\ntls = true", "must be a string"),
        ('[[route]]\nclass = "Not A Queue"', "class must be"),
        ('[[route]]\nclass = "dead"', "dead letters"),
        ('[[route]]\nclass = "notify"', "what webhooks are told"),
        ('[[route]]\nname = ""', "name must have 1 to 100"),
        ('[[route]]\nname = "acted"', "name can't be `acted`"),
        ('[[route]]\nname="a"\n[[route]]\nname="a"', r"line 4, route 2 \(a\): two routes are named 'a'"),
        ('[[route]]\nmatch = "bob@example.net"', "match must be a domain"),
        ('[[route]]\nmx = "a b"', "mx must be a domain"),
        ("[[route]]\nsessions = 0", "sessions must be"),
        ('[[route]]\nsessions = "4"', "sessions must be"),
        ("[[route]]\nrate = true", "rate must be"),
        ("[[route]]\nrate = nan", "rate must be"),
        ("[[route]]\ndepth = 5", "depth must be a whole number, 1 to 4"),
        ("[[route]]\ndepth = true", "depth must be"),
        ("[[route]]\nletters = 101", "letters must be a whole number, 1 to 100"),
        ('[[route]]\nhelo = "a\\r\\nQUIT"', "helo must be a host name"),
        ('[[route]]\nsource = "mail.example.org"', "source must be an IP address"),
        ('[[route]]\nsource = "0.0.0.0"', "can't be one machine's"),
        ('[[route]]\nsource = "fe80::1%eth0"', "can't be one machine's"),
        ('[[route]]\ntimeouts = "lunch=1h"', "timeouts must be as in .*the phases are"),
        ('[[route]]\ntimeouts = "final=0s"', "too short"),
        ("[[route]]\nrate = 1\n[[route]]\nname = 'b'\nrate = 2", "class 'default' differ"),
        ('[[route]]\nfallback = "moon"', "fallback names 'moon', and there is no such route"),
        ('[[route]]\nname = "backup"\nfallback = "bakcup"', "did you mean 'backup'"),
        ('[[route]]\nname = "a"\nfallback = "a"', "fallback leads back to where it began: a -> a"),
        ('[[route]]\n[[route]]\nmatch = "*.net"', "line 3, route 2: no letter can get here: 'route-1' in line 1"),
        ('[[route]]\nmatch = "*.net"\n[[route]]\nmatch = "a?.*.net"', "no letter can get here"),
        ('[[route]]\nmx = "*.x"\n[[route]]\nmx = "*.x"\n[[route]]', "route 2: no letter can get here"),
        ('[[route]]\n[[route]]\nmx = "*.x"', "route 2: no letter can get here"),
        ('[[route]]\nmx = "*.x"', "mx needs a route behind it"),
    ],
)
def test_a_table_that_cant_be_used_says_why(text: str, problem: str) -> None:
    with pytest.raises(RoutesError, match=problem):
        parse_routes(text, {})


@pytest.mark.parametrize(
    "text",
    [
        '[[route]]\n[[route]]\nname = "for letters that name it"',
        '[[route]]\nmatch = "*.a.net"\n[[route]]\nmatch = "*.net"',
        '[[route]]\nmatch = "?.net"\n[[route]]\nmatch = "*.net"',
        '[[route]]\nmx = "*.x"\n[[route]]\nmx = "*.y"\n[[route]]',
        "[[ route ]] # an entry\n",
        'route = [{name = "a", match = "*.net"}, {name = "b"}]',
    ],
)
def test_a_table_that_looks_odd_and_is_right_is_taken(text: str) -> None:
    assert parse_routes(text, {}).table


def test_the_table_in_the_readme_is_one() -> None:
    (table,) = (
        each for each in re.findall(r"```toml\n(.*?)```", README.read_text("utf-8"), re.DOTALL) if "route" in each
    )
    names = [route.name for route in parse_routes(table, {"RELAY_PASSWORD": "x", "PROXY_PASSWORD": "x"}).table]
    assert names == ["partner", "google", "mx", "tunnel"]


def test_a_loop_of_fallbacks_is_told_at_each_of_its_routes() -> None:
    loop = "".join(f'[[route]]\nname = "{name}"\nfallback = "{to}"\n' for name, to in ("ab", "bc", "ca", "da"))
    with pytest.raises(RoutesError) as error:
        parse_routes(loop, {})
    assert re.findall(r"[a-d](?: -> [a-d])+", str(error.value)) == [
        "a -> b -> c -> a",
        "b -> c -> a -> b",
        "c -> a -> b -> c",
    ]


def test_all_problems_are_reported_at_once_with_their_lines() -> None:
    text = '# [[route]]\n[[route]]\nname = """\n[[route]]\ntls = 1\\\n"""\ntls="x"\n\n[[route]]\nvia="x"\nhello=1\n'
    with pytest.raises(RoutesError) as error:
        parse_routes(text, {}, file="routes.toml")
    assert re.findall(r"(?:^|; )(?:routes\.toml: )?(line \d+, route \d)", str(error.value)) == [
        "line 3, route 1",
        "line 7, route 1",
        "line 10, route 2",
        "line 11, route 2",
    ]
    assert str(error.value).startswith("routes.toml: line 3")


@pytest.mark.parametrize("via", ["smtp://user:sesame:25/open@h", "smtp://user:ses/ame@h", "smtp://sesame@h:x"])
def test_no_problem_quotes_a_password(via: str) -> None:
    with pytest.raises(RoutesError) as error:
        parse_routes(f'[[route]]\nvia = "{via}"', {})
    assert "ses" not in str(error.value)


@given(st.text(st.sampled_from("[]route=\"'#\\\n ${}:/@via"), max_size=60))
def test_a_text_of_any_kind_is_a_table_or_a_designed_error(text: str) -> None:
    for each in (text, f"[[route]]\n{text}", f'[[route]]\nvia = """{text}"""'):
        with suppress(RoutesError):
            assert parse_routes(each, {}).table
