"""Posts to real receivers on the loopback, which fail in every way."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from threading import Event

import pytest
import trustme

from postroom.internet import http
from postroom.internet.endpoint import Endpoint
from postroom.internet.guard import Guard
from postroom.internet.http import Https
from postroom.internet.keeping import AGE, IDLE
from postroom.internet.posting import LONGEST_BODY, LONGEST_REST, HttpsPosts, retry_after
from postroom.internet.url import BadUrl
from postroom.ports import NotPosted, Posted
from tests.internet.peer import Guest, Serve, serving
from tests.internet.web import answering, certificate, client, page

NAME = "hooks.example.net"
BODY = b'{"type":"email.sent"}'
HEADERS = {"Content-Type": "application/json", "webhook-id": "one"}


def post(
    port: int,
    posts: HttpsPosts | None = None,
    *,
    seconds: float = 5.0,
    scheme: str = "http",
    roots: str | None = None,
) -> Posted | NotPosted:
    used = posts or HttpsPosts(client(roots))
    try:
        return used(f"{scheme}://{NAME}:{port}/hook", HEADERS, BODY, seconds)
    finally:
        if posts is None:
            used.close()


def why(port: int, *, seconds: float = 5.0) -> str:
    answer = post(port, seconds=seconds)
    assert isinstance(answer, NotPosted)
    return answer.why


def test_a_post_says_what_it_must_and_no_more() -> None:
    heard: list[bytes] = []

    def answer(guest: Guest) -> None:
        heard.append(guest.hear_octets(len(BODY)))
        guest.sock.sendall(page(b"thanks", "Connection: close"))

    with serving(answering(answer, heard=heard)) as port:
        assert post(port) == Posted(200, b"thanks")
    assert heard[0].decode().split("\r\n")[:-2] == [
        "POST /hook HTTP/1.1",
        f"Host: {NAME}:{port}",
        "User-Agent: postroom",
        "Accept-Encoding: identity",
        "Connection: keep-alive",
        f"Content-Length: {len(BODY)}",
        "Content-Type: application/json",
        "webhook-id: one",
    ]
    assert heard[1] == BODY


# What receivers answer.


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (page(b"no", status="500 Internal Server Error"), 500, b"no"),
        (page(b"", status="410 Gone"), 410, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + page(b"x"), 200, b"x"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 101, b""),
        (page(b"x" * 100_000), 200, b"x" * LONGEST_BODY),
        (page(b"\x1f\x8bzip", "Content-Encoding: gzip"), 200, b"\x1f\x8bzip"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n", 200, b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nabc", 200, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.0 503 Busy\r\n\r\nabc", 503, b"abc"),
    ],
    ids=lambda said: said[:40].decode("latin-1") if isinstance(said, bytes) else "",
)
def test_the_head_of_an_answer_is_what_counts(said: bytes, status: int, body: bytes) -> None:
    """However its body ends."""
    with serving(answering(said)) as port:
        answer = post(port)
    assert isinstance(answer, Posted)
    assert answer.status == status
    assert body.startswith(answer.body) if body else len(answer.body) <= 3


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_an_answer_and_nobody_goes_there(status: str) -> None:
    elsewhere: list[Guest] = []
    with (
        serving(elsewhere.append) as trap,
        serving(answering(page(b"", f"Location: http://127.0.0.1:{trap}/", status=status))) as port,
    ):
        assert post(port) == Posted(int(status[:3]), b"")
    assert not elsewhere


def test_who_has_too_many_requests_says_how_long_to_wait() -> None:
    with serving(answering(page(b"", "Retry-After: 120", status="429 Too Many Requests"))) as port:
        assert post(port) == Posted(429, b"", 120.0)
    with serving(answering(page(b"", "Retry-After: soon", status="503 Busy"))) as port:
        assert post(port) == Posted(503, b"", None)


def test_it_is_waited_for_as_a_number_or_a_date_says() -> None:
    now = datetime(2030, 1, 2, 12, tzinfo=UTC).timestamp()
    assert retry_after(" 7 ", now) == 7.0
    assert retry_after("0", now) == 0.0
    assert retry_after("9" * 400, now) == LONGEST_REST
    assert retry_after("Wed, 02 Jan 2030 12:01:30 GMT", now) == 90.0
    assert retry_after("Wed, 02 Jan 2030 12:01:30 -0000", now) == 90.0
    assert retry_after("Wed, 02 Jan 2030 11:00:00 GMT", now) == 0.0
    assert retry_after("Wed, 02 Jan 2099 11:00:00 GMT", now) == LONGEST_REST
    for nonsense in ("", "-1", "1.5", "inf", "soon", "Wed, 99 Jan 2030 12:01:30 GMT", "٣", "Wed, 02 Jan 0 1:1:1 +9999"):
        assert retry_after(nonsense, now) is None


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2030 00:00:99999999999999999999 GMT",
        "Mon, 99999999999999999999 Jan 2030 00:00:00 GMT",
        "Mon, 01 Jan 2030 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 0001 00:00:00 +2300",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Mon, 01 Jan " + "9" * 5000 + " 00:00:00 GMT",
        "Mon, 01 Jan \u0663 00:00:00 GMT",
        "Mon,",
        ",,,,",
        "1 1 1 1 1 1",
    ],
)
def test_a_hostile_date_asks_for_a_day_at_most_or_nothing(date: str) -> None:
    now = datetime(2030, 1, 2, 12, tzinfo=UTC).timestamp()
    asked = retry_after(date, now)
    assert asked is None or 0 <= asked <= LONGEST_REST


# What is no answer.


def _silent(guest: Guest) -> None:
    guest.hear(b"never")


def _dripping(guest: Guest) -> None:
    for octet in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        guest.sock.sendall(bytes([octet]))
        time.sleep(0.02)


@pytest.mark.parametrize("serve", [_silent, _dripping])
def test_what_is_slow_is_cut_off(serve: Serve) -> None:
    began = time.monotonic()
    with serving(answering(serve)) as port:
        assert "didn't answer within 0.3 s" in why(port, seconds=0.3)
        assert time.monotonic() - began < 2


def test_a_body_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its head has said that the event was taken."""
    monkeypatch.setattr(http, "GRACE", 0.2)
    over = Event()

    def drip(guest: Guest) -> None:
        guest.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nabc")
        over.wait(10)

    with serving(answering(drip)) as port:
        answer = post(port)
        over.set()
    assert isinstance(answer, Posted)
    assert answer.status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\xff" * 50,
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000,
        b"",
    ],
    ids=["ssh", "binary", "no status", "no version", "many headers", "ever 100", "ever 103", "nothing"],
)
def test_what_is_no_answer_is_told(said: bytes) -> None:
    def say(guest: Guest) -> None:
        guest.hear_octets(len(BODY))
        guest.sock.sendall(said)

    with serving(answering(say)) as port:
        assert NAME in why(port)


def test_of_an_answer_whose_head_is_too_long_that_is_told() -> None:
    def say(guest: Guest) -> None:
        guest.hear_octets(len(BODY))
        guest.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000)

    with serving(answering(say)) as port:
        assert "a head that didn't end within" in why(port)


def test_an_answer_that_breaks_off_is_told() -> None:
    def leave(guest: Guest) -> None:
        guest.sock.sendall(b"HTTP/1.1 200 O")
        guest.reset()

    with serving(answering(leave)) as port:
        assert NAME in why(port)


def test_where_nobody_listens_nothing_is_posted() -> None:
    with serving(lambda _: None) as port:
        pass
    assert "refused" in why(port).lower()


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_over_tls_an_endpoint_proves_its_name(authority: trustme.CA) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    cases = {
        "": certificate(authority, NAME),
        "certificate": certificate(trustme.CA(), NAME),
        "mismatch": certificate(authority, "other.example.net"),
        "expired": certificate(authority, NAME, until=past),
    }
    with authority.cert_pem.tempfile() as roots:
        for trouble, context in cases.items():
            with serving(answering(page(b"thanks"), context)) as port:
                answer = post(port, roots=roots, scheme="https")
            if trouble:
                assert isinstance(answer, NotPosted)
                assert trouble in answer.why
            else:
                assert answer == Posted(200, b"thanks")
    with serving(lambda guest: guest.sock.sendall(page(b"thanks"))) as port:  # in clear text
        assert isinstance(post(port, scheme="https"), NotPosted)


# Whom nobody may have us post to.


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00:ec2::254]",
        "rebound.example.net",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_is_posted_to_whose_address_is_not_public(scheme: str, host: str) -> None:
    guests: list[Guest] = []
    with serving(guests.append) as port:
        posts = HttpsPosts(Https(addresses=lambda _: ("127.0.0.1", "::1", "169.254.169.254"), guard=Guard()))
        answer = posts(f"{scheme}://{host}:{port}/", HEADERS, BODY, 1.0)
    assert isinstance(answer, NotPosted)
    assert "POSTROOM_DIAL_ALLOW" in answer.why or "not an IP address" in answer.why
    assert not guests


def test_without_tls_only_networks_that_are_named_are_posted_to() -> None:
    allowed = Guard([ip_network("127.0.0.0/8")])
    public = HttpsPosts(Https(addresses=lambda _: ("8.8.8.8",), guard=allowed))
    answer = public(f"http://{NAME}/", HEADERS, BODY, 1.0)
    assert isinstance(answer, NotPosted)
    assert "without TLS" in answer.why


# Connections are kept.


def _staying(times: int, heard: list[bytes], then: Callable[[Guest], None] = lambda _: None) -> Serve:
    def serve(guest: Guest) -> None:
        for _ in range(times):
            heard.append(guest.hear(b"\r\n\r\n") + guest.hear_octets(len(BODY)))
            guest.sock.sendall(page(b"thanks"))
        then(guest)

    return serve


def _counting(serve: Serve, guests: list[Guest]) -> Serve:
    def counted(guest: Guest) -> None:
        guests.append(guest)
        serve(guest)

    return counted


@pytest.mark.parametrize("tls", [False, True])
def test_one_connection_carries_many_posts(tls: bool, authority: trustme.CA) -> None:
    heard: list[bytes] = []
    guests: list[Guest] = []
    context = certificate(authority, NAME) if tls else None

    def serve(guest: Guest) -> None:
        if context is not None:
            guest.encrypt(context)
        _staying(5, heard)(guest)

    with authority.cert_pem.tempfile() as roots, serving(_counting(serve, guests)) as port:
        posts = HttpsPosts(client(roots))
        for _ in range(5):
            assert post(port, posts, scheme="https" if tls else "http") == Posted(200, b"thanks")
        posts.close()
    assert (len(guests), len(heard)) == (1, 5)


@pytest.mark.parametrize("farewell", ["end", "reset", "chatter", "later chatter"])
def test_a_kept_connection_that_was_closed_is_replaced(farewell: str) -> None:
    heard: list[bytes] = []
    guests: list[Guest] = []
    answered, gone = Event(), Event()

    def leave(guest: Guest) -> None:
        if farewell == "reset":
            guest.reset()
        elif "chatter" in farewell:
            if farewell == "chatter" or answered.wait(5):
                guest.sock.sendall(page(b"smuggled", status="500 No"))
            gone.set()
            guest.hear(b"never")
        guest.sock.close()
        gone.set()

    with serving(_counting(_staying(1, heard, leave), guests)) as port:
        posts = HttpsPosts(client())
        for _ in range(3):
            assert post(port, posts) == Posted(200, b"thanks")
            answered.set()
            assert gone.wait(5)
            gone.clear()
            answered.clear()
        posts.close()
    assert (len(guests), len(heard)) == (3, 3)


def test_a_post_that_a_closing_connection_swallowed_is_made_again() -> None:
    """It was under way when the server left: nobody can see that beforehand."""
    heard: list[bytes] = []
    guests: list[Guest] = []

    def serve(guest: Guest) -> None:
        _staying(1, heard)(guest)
        if len(guests) == 1:
            guest.hear(b"\r\n\r\n")
            guest.reset()
        else:
            _staying(1, heard)(guest)

    with serving(_counting(serve, guests)) as port:
        posts = HttpsPosts(client())
        assert post(port, posts) == Posted(200, b"thanks")
        assert post(port, posts) == Posted(200, b"thanks")
        posts.close()
    assert (len(guests), len(heard)) == (2, 2)


@pytest.mark.parametrize("passed", [IDLE, -1.0])
def test_a_connection_is_kept_for_a_short_while(passed: float) -> None:
    """Also one that lay in a frozen function: the clock that counts is the one that goes on."""
    now = 1000.0
    guests: list[Guest] = []
    with serving(_counting(_staying(9, []), guests)) as port:
        posts = HttpsPosts(client(), lambda: now)
        post(port, posts)
        now += passed
        post(port, posts)
        posts.close()
    assert len(guests) == 2


def test_a_busy_connection_ends_in_time_to_look_where_its_host_is() -> None:
    now = 1000.0
    guests: list[Guest] = []
    with serving(_counting(_staying(99, []), guests)) as port:
        posts = HttpsPosts(client(), lambda: now)
        while now < 1000.0 + AGE + 1:
            post(port, posts)
            now += IDLE / 2
        posts.close()
    assert len(guests) == 2


def test_an_answer_that_was_not_read_to_its_end_spoils_no_other() -> None:
    guests: list[Guest] = []

    def serve(guest: Guest) -> None:
        guest.hear(b"\r\n\r\n")
        guest.sock.sendall(page(b"x" * 10_000))

    with serving(_counting(serve, guests)) as port:
        posts = HttpsPosts(client())
        for _ in range(2):
            assert post(port, posts) == Posted(200, b"x" * LONGEST_BODY)
    assert len(guests) == 2


# Endpoints.


def test_credentials_of_an_endpoint_are_sent_as_such() -> None:
    heard: list[bytes] = []
    with serving(answering(page(b"", "Connection: close"), heard=heard)) as port:
        posts = HttpsPosts(client())
        assert posts(f"http://shop:s%2Fcret@{NAME}:{port}/hook?x=@", HEADERS, BODY, 5.0) == Posted(200, b"")
    assert b"\r\nAuthorization: Basic c2hvcDpzL2NyZXQ=\r\n" in heard[0]
    assert heard[0].startswith(b"POST /hook?x=@ HTTP/1.1\r\n")
    assert f"\r\nHost: {NAME}:{port}\r\n".encode() in heard[0]


def test_an_endpoint_is_shown_without_its_credentials() -> None:
    endpoint = Endpoint.parse("https://shop:secret@hooks.example.net/")
    assert endpoint.url == "https://hooks.example.net/"
    assert endpoint.secure
    assert "c2hvc" not in repr(endpoint)
    assert Endpoint.parse("http://hooks.example.net/@x").authorization is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.net",
        "ftp://hooks.example.net/",
        "https://bank.example@hooks.example.net/",
        "https://shop:secret@bank.example@hooks.example.net/",
        "https://shop:se cret@hooks.example.net/",
        "https://shop:\r\nX: y@hooks.example.net/",
        "https://:secret@hooks.example.net/",
        "https://hooks.example.net\\@other.example.net/",
        "https://hooks.example.net/a b",
        "https://hooks.example.net:99999/",
        "https://hooks.example.net/" + "x" * 2000,
    ],
)
def test_what_is_no_endpoint_is_refused_without_telling_secrets(text: str) -> None:
    with pytest.raises(BadUrl) as caught:
        Endpoint.parse(text)
    assert "secret" not in str(caught.value)
    assert isinstance(HttpsPosts(client())(text, HEADERS, BODY, 1.0), NotPosted)
