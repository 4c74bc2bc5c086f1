"""Guarded HTTPS against real servers on the loopback, most of which mean no good."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.internet.guard import Guard
from postroom.internet.http import Answer, Https, Request, Unfetched
from postroom.internet.url import BadUrl, Url
from tests.internet.peer import Guest, Serve, serving
from tests.internet.web import answering, certificate, client, page

NAME = "files.example.net"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def ask(port: int, https: Https | None = None, **options: Any) -> Answer:
    """Of a server without TLS, since most of what can go wrong does so there as well."""
    asked = {"seconds": 5.0, "most": 1000, "clear_text": True, **options}
    return (https or client())(Request(url=f"http://{NAME}:{port}/a?b=c", **asked))


def cause(port: int, https: Https | None = None, **options: Any) -> str:
    with pytest.raises(Unfetched) as caught:
        ask(port, https, **options)
    assert str(caught.value)
    return caught.value.cause


# What is said and what comes back.


def test_a_request_says_what_it_must_and_no_more() -> None:
    heard: list[bytes] = []
    with serving(answering(page(b"hello", media_type="Text/Plain; charset=utf-8"), heard=heard)) as port:
        assert ask(port) == Answer(200, "text/plain", b"hello")
    assert heard[0].decode().split("\r\n")[:-2] == [
        "GET /a?b=c HTTP/1.1",
        f"Host: {NAME}:{port}",
        "User-Agent: postroom",
        "Accept-Encoding: identity",
        "Connection: close",
    ]


def test_a_webhook_gets_its_body_and_its_answer_is_not_read_further_than_asked() -> None:
    body = b'{"type": "email.delivered"}' * 40_000  # more than a socket takes at once
    heard: list[bytes] = []

    def answer(guest: Guest) -> None:
        heard.append(guest.hear_octets(len(body)))
        guest.sock.sendall(page(b"x" * 5000, status="202 Accepted"))

    with serving(answering(answer, heard=heard)) as port:
        answered = ask(port, method="POST", body=body, headers={"webhook-id": "1"}, most=10, whole=False)
    assert (answered.status, answered.body) == (202, b"x" * 10)
    assert heard[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in heard[0]
    assert b"\r\nwebhook-id: 1\r\n" in heard[0]
    assert heard[1] == body


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_an_answer_and_nobody_goes_there(status: str) -> None:
    elsewhere: list[Guest] = []
    with serving(elsewhere.append) as trap:
        redirect = page(b"", f"Location: http://{NAME}:{trap}/", status=status)
        with serving(answering(redirect)) as port:
            assert ask(port).status == int(status[:3])
    assert not elsewhere


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200\r\nContent-Length: 5\r\n\r\nhello and more that isn't the body's",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["chunked", "until the end", "HTTP/1.0", "after 100"],
)
def test_a_body_comes_in_each_way_that_http_has(answer: bytes) -> None:
    with serving(answering(answer)) as port:
        assert ask(port) == Answer(200, None, b"hello")


def test_the_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere: list[Guest] = []
    with serving(elsewhere.append) as trap, serving(answering(page(b"hello"))) as port:
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{trap}")
        assert ask(port).body == b"hello"
    assert not elsewhere


# Who is dialled.


def test_a_host_is_resolved_once_and_dialled_at_the_address_that_was_vetted() -> None:
    """A name that has another address the next time gains nothing by it."""
    asked: list[str] = []

    def addresses(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("127.0.0.9",)

    with serving(answering(page(b"hello"))) as port:
        assert ask(port, https=client(addresses=addresses)).body == b"hello"
    assert asked == [NAME]


def test_a_forbidden_address_is_not_dialled() -> None:
    guests: list[Guest] = []
    with serving(guests.append) as port:
        strict = Https(addresses=lambda _: ("127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"), guard=Guard())
        assert cause(port, https=strict) == "forbidden_address"
        for host in ("127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]"):
            with pytest.raises(Unfetched) as caught:
                strict(Request(url=f"http://{host}:{port}/", seconds=1, most=1, clear_text=True))
            assert caught.value.cause == "forbidden_address"
    assert not guests


def test_the_next_address_is_asked_where_the_first_takes_no_connection() -> None:
    with serving(answering(page(b"hello"))) as port:
        several = client(addresses=lambda _: ("127.0.0.9", "127.0.0.1"))
        assert ask(port, https=several).body == b"hello"


def test_what_dns_does_not_know_and_what_takes_no_connection_are_told_apart() -> None:
    def unknown(host: str) -> tuple[str, ...]:
        raise LookupError(f"DNS has no address for {host}")

    with serving(lambda _: None) as port:
        assert cause(port, https=client(addresses=unknown)) == "dns"
        assert cause(port, https=client(addresses=lambda _: ("127.0.0.9",))) == "connection_refused"


# TLS.


def test_a_certificate_of_the_hosts_own_name_is_trusted(authority: trustme.CA, roots: str) -> None:
    heard: list[bytes] = []
    with serving(answering(page(b"hello"), certificate(authority, NAME), heard)) as port:
        answered = client(roots)(Request(url=f"https://{NAME}:{port}/", seconds=5, most=5))
    assert answered.body == b"hello"
    assert heard


def _in_clear_text(guest: Guest) -> None:
    guest.sock.sendall(page(b"hello"))


def _nothing(_: Guest) -> None:
    """It hangs up."""


@pytest.mark.parametrize("flaw", ["name", "common name", "expired", "stranger", "clear text", "nothing"])
def test_nothing_is_said_to_a_server_whose_certificate_cannot_be_trusted(
    authority: trustme.CA, roots: str, flaw: str
) -> None:
    heard: list[bytes] = []

    def presenting(context: ssl.SSLContext) -> Serve:
        return answering(page(b""), context, heard)

    yesterday = datetime.now(UTC) - timedelta(days=1)
    servers: dict[str, Callable[[], Serve]] = {
        "name": lambda: presenting(certificate(authority, "elsewhere.example.net")),
        "common name": lambda: presenting(certificate(authority, common_name=NAME)),
        "expired": lambda: presenting(certificate(authority, NAME, until=yesterday)),
        "stranger": lambda: presenting(certificate(trustme.CA(), NAME)),
        "clear text": lambda: _in_clear_text,
        "nothing": lambda: _nothing,
    }
    with serving(servers[flaw]()) as port, pytest.raises(Unfetched) as caught:
        client(roots)(Request(url=f"https://{NAME}:{port}/", seconds=5, most=5))
    assert caught.value.cause == "tls"
    assert not heard


def test_a_body_that_tls_does_not_say_the_end_of_may_be_cut_and_is_not_used(authority: trustme.CA, roots: str) -> None:
    context = certificate(authority, NAME)

    def cut(guest: Guest) -> None:
        guest.encrypt(context)
        guest.hear(b"\r\n\r\n")
        guest.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nhel")

    with serving(cut) as port, pytest.raises(Unfetched) as caught:
        client(roots)(Request(url=f"https://{NAME}:{port}/", seconds=5, most=50))
    assert caught.value.cause == "protocol"


def test_clear_text_is_spoken_only_where_it_will_do() -> None:
    guests: list[Guest] = []
    with serving(guests.append) as port:
        assert cause(port, clear_text=False) == "bad_url"
    assert not guests


# Bounds.


@pytest.mark.parametrize(
    "answer",
    [
        page(b"x" * 1001),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        ENDLESS + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        ENDLESS + b"1\r\nx\r\n" * 100_000,
        ENDLESS + (b"1;" + b"y" * 60_000 + b"\r\nx\r\n") * 10,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90 + (b"X: " + b"y" * 30_000 + b"\r\n") * 9,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        ENDLESS + b"0\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 1000,
    ],
    ids=["known", "until the end", "chunk", "small chunks", "extensions", "fields", "continue", "trailers"],
)
def test_an_answer_that_is_too_large_in_any_way_is_cut_off(answer: bytes) -> None:
    with serving(answering(answer)) as port:
        assert cause(port) == "size"


def test_a_body_that_is_encoded_is_not_taken_for_what_it_stands_for() -> None:
    with serving(answering(page(b"hello", "Content-Encoding: gzip"))) as port:
        assert cause(port) == "encoding"


def test_an_answer_of_just_the_size_is_taken() -> None:
    with serving(answering(page(b"x" * 1000))) as port:
        assert len(ask(port).body) == 1000


def dripping(before: bytes, drip: bytes) -> Callable[[Guest], None]:
    def answer(guest: Guest) -> None:
        guest.sock.sendall(before)
        while True:
            time.sleep(0.02)  # a drip at a time is what is tested
            guest.sock.sendall(drip)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"y"),
        dripping(ENDLESS, b"1\r\ny\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["field", "body", "chunks", "continue"],
)
def test_an_answer_that_drips_ends_at_the_time_for_all_of_it(answer: Callable[[Guest], None]) -> None:
    began = time.monotonic()
    with serving(answering(answer)) as port:
        assert cause(port, seconds=0.3) == "timeout"
        assert time.monotonic() - began < 1


def test_silence_ends_in_time_at_every_step(roots: str) -> None:
    over = Event()

    def deaf(_: Guest) -> None:
        over.wait(5)

    began = time.monotonic()
    with serving(deaf) as port:
        assert cause(port, seconds=0.2) == "timeout"
        assert cause(port, seconds=0.2, method="POST", body=b"x" * 50_000_000) == "timeout"
        with pytest.raises(Unfetched) as caught:
            client(roots)(Request(url=f"https://{NAME}:{port}/", seconds=0.2, most=5))
        assert caught.value.cause == "connection_timeout"
        assert time.monotonic() - began < 2
        over.set()


def test_a_server_that_reads_in_sips_is_left_in_time(authority: trustme.CA, roots: str) -> None:
    context = certificate(authority, NAME)

    def sip(guest: Guest) -> None:
        guest.encrypt(context)
        while guest.sock.recv(100_000):
            time.sleep(0.02)  # a sip at a time is what is tested

    began = time.monotonic()
    with serving(sip) as port:
        request = Request(url=f"https://{NAME}:{port}/", method="POST", body=b"x" * 50_000_000, seconds=0.3, most=5)
        with pytest.raises(Unfetched) as caught:
            client(roots)(request)
        assert time.monotonic() - began < 1
    assert caught.value.cause == "timeout"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"220 mx.example.net ESMTP\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        ENDLESS + b"-5\r\nhello\r\n0\r\n\r\n",
        ENDLESS + b"zz\r\nhello\r\n0\r\n\r\n",
        ENDLESS + b"ff\r\nhello",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        page(b"hello", "Content-Length: 3"),
    ],
)
def test_nonsense_is_no_answer(answer: bytes) -> None:
    with serving(answering(answer)) as port:
        assert cause(port) == "protocol"


@settings(deadline=None)  # each example is a server and a request
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", ENDLESS]))
def test_whatever_a_server_says_is_an_answer_or_an_error_of_ours(said: bytes, before: bytes) -> None:
    with serving(answering(before + said)) as port:
        try:
            end = f"{len(ask(port).body)} octets"
        except Unfetched as error:
            end = error.cause
    assert end in ("protocol", "size") or int(end.split()[0]) <= 300


# URLs.


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        ("https://example.org", Url(True, "example.org", 443, "/"), "example.org"),
        ("HTTPS://Example.ORG:443/", Url(True, "example.org", 443, "/"), "example.org"),
        ("http://example.org:8080?q=/", Url(False, "example.org", 8080, "/?q=/"), "example.org:8080"),
        ("https://[2001:DB8::1]:8443/a%20b#c", Url(True, "2001:db8::1", 8443, "/a%20b"), "[2001:db8::1]:8443"),
    ],
)
def test_a_url_is_taken_apart(text: str, url: Url, authority: str) -> None:
    assert Url.parse(text) == url
    assert url.authority == authority


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.org", "ftp://example.org/", "file:///etc/passwd", "https://", "https:///x", "//example.org"),
        *("https://user@example.org/", "https://user:pw@example.org/", "https://example.org@127.0.0.1/"),
        *("https://example.org\\@127.0.0.1/", "https://example.org /", "https://example.org/a b", " https://x.org"),
        *("https://example.org/\r\nHost: x", "https://example.org/\n", "https://example.org:0/"),
        *("https://example.org:99999/", "https://example.org:/", "https://example..org/", "https://example.org./"),
        *("https://-example.org/", "https://example%2eorg/", "https://bücher.example/", "https://[fe80::1%eth0]/"),
        *(
            "https://[::1",
            "https://" + "a" * 64 + ".org/",
            "https://" + "a." * 127 + "org/",
            "https://exam\x00ple.org/",
        ),
    ],
)
def test_a_url_that_two_readers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(BadUrl):
        Url.parse(text)


@given(st.text(max_size=40).map("https://".__add__) | st.text(max_size=40))
def test_a_parsed_url_holds_nothing_that_ends_a_line(text: str) -> None:
    try:
        url = Url.parse(text)
    except BadUrl:
        return
    assert f"{url.authority}{url.target}".isascii()
    assert all(" " < character != "\x7f" for character in f"{url.authority}{url.target}")
