"""Files fetched for letters: what comes of every way in which that can end, and that nothing a server says is told."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import trustme

from postroom.internet.files import LONGEST_ERROR, Files
from postroom.internet.guard import Guard
from postroom.internet.http import Https
from postroom.internet.resolver import Unanswered
from postroom.ports import Fetched, NotFetched
from tests.internet.peer import Guest, serving
from tests.internet.web import answering, certificate, client, page

SECRET = b"root:x:0:0"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    return certificate(authority, "files.example")


@pytest.fixture(scope="module")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("roots") / "roots.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def fetched(
    answer: bytes | Callable[[Guest], None], context: ssl.SSLContext | None, roots: str, most: int = 1000
) -> Fetched | NotFetched:
    with serving(answering(answer, context)) as port:
        return Files(client(roots))(f"https://files.example:{port}/a", most, 5.0)


def test_a_file_comes_with_what_its_server_calls_it(context: ssl.SSLContext, roots: str) -> None:
    answer = page(b"%PDF-1.7", media_type="Application/PDF; x=y")
    assert fetched(answer, context, roots) == Fetched(b"%PDF-1.7", "application/pdf")


@pytest.mark.parametrize(
    ("status", "for_good"),
    [
        ("204 No Content", True),
        ("206 Partial Content", True),
        ("301 Moved Permanently", True),
        ("400 Bad Request", True),
        ("401 Unauthorized", True),
        ("403 Forbidden", True),
        ("404 Not Found", True),
        ("408 Request Timeout", False),
        ("410 Gone", True),
        ("425 Too Early", False),
        ("429 Too Many Requests", False),
        ("500 Internal Server Error", False),
        ("503 Service Unavailable", False),
    ],
)
def test_an_answer_without_the_file(context: ssl.SSLContext, roots: str, status: str, for_good: bool) -> None:
    answer = page(b"" if status.startswith("204") else SECRET, "Location: https://127.0.0.1/", status=status)
    redirects = ", and redirects are not followed" if status.startswith("3") else ""
    why = f"files.example: it answered with status {status[:3]}{redirects}"
    assert fetched(answer, context, roots) == NotFetched(why, for_good)


def test_a_file_that_is_too_large_is_never_had(context: ssl.SSLContext, roots: str) -> None:
    too_large = NotFetched("files.example: the file is larger than a letter's files may be together", for_good=True)
    assert fetched(page(b"x" * 1000), context, roots) == Fetched(b"x" * 1000, "text/plain")
    assert fetched(page(b"x" * 1001), context, roots) == too_large
    assert fetched(page(b"x" * 2 * LONGEST_ERROR), context, roots) == too_large
    assert fetched(page(b"x"), context, roots, most=0) == too_large
    assert fetched(page(b"x" * 5000, status="503 Busy"), context, roots, most=0) == NotFetched(
        "files.example: it answered with status 503", for_good=False
    )


def test_what_is_no_answer_is_not_quoted(context: ssl.SSLContext, roots: str) -> None:
    for nonsense in (SECRET + b"\r\n\r\n", b"HTTP/1.1 OK " + SECRET + b"\r\n\r\n", b""):
        found = fetched(nonsense, context, roots)
        assert found == NotFetched("files.example: its answer can't be used", for_good=False)


def test_a_file_that_ends_early_is_tried_again(context: ssl.SSLContext, roots: str) -> None:
    cut = page(b"x" * 100)[:-1]
    assert fetched(cut, context, roots) == NotFetched("files.example: its answer can't be used", for_good=False)


def test_a_certificate_that_is_wrong_stays_wrong(authority: trustme.CA, roots: str) -> None:
    for context in (
        certificate(authority, "other.example"),
        certificate(trustme.CA(), "files.example"),
        certificate(authority, "files.example", until=datetime(2020, 1, 1, tzinfo=UTC)),
    ):
        found = fetched(page(SECRET), context, roots)
        assert isinstance(found, NotFetched)
        assert found.for_good
        assert "certificate can't be trusted" in found.why


def test_tls_that_breaks_may_be_whole_the_next_time(roots: str) -> None:
    found = fetched(page(SECRET), None, roots)
    assert isinstance(found, NotFetched)
    assert not found.for_good


def test_a_silent_server_is_asked_again(context: ssl.SSLContext, roots: str) -> None:
    def say_nothing(guest: Guest) -> None:
        guest.hear(b"never")  # until the other side has had enough

    with serving(answering(say_nothing, context)) as port:
        found = Files(client(roots))(f"https://files.example:{port}/a", 10, 0.2)
    assert found == NotFetched("files.example: it took too long", for_good=False)


def test_a_server_that_is_down_is_asked_again(roots: str) -> None:
    with serving(lambda _: None) as port:
        pass
    found = Files(client(roots))(f"https://files.example:{port}/a", 10, 1.0)
    assert isinstance(found, NotFetched)
    assert not found.for_good
    assert "Connection refused" in found.why


def test_an_address_that_may_not_be_dialled_is_never_told() -> None:
    https = Https(addresses=lambda _: ("10.1.2.3",), guard=Guard([]))
    for url in ("https://intranet.example/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest"):
        found = Files(https)(url, 10, 1.0)
        assert isinstance(found, NotFetched)
        assert found.for_good
        assert found.why.endswith(": it has no address that may be dialled")
        assert "10.1.2.3" not in found.why


@pytest.mark.parametrize(("error", "for_good"), [(LookupError, True), (Unanswered, False)])
def test_a_name_that_dns_denies_is_gone_and_one_it_says_nothing_of_is_not(
    error: type[LookupError], for_good: bool
) -> None:
    def addresses(host: str) -> tuple[str, ...]:
        raise error(f"DNS has no address for {host}")

    found = Files(Https(addresses=addresses, guard=Guard([])))("https://files.example/", 10, 1.0)
    assert found == NotFetched("files.example: DNS has no address for files.example", for_good)
