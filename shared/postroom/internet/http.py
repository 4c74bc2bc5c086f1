"""Guarded HTTPS: one request to one vetted address, within bounds, its answer taken as it is.

A policy, a webhook and an attachment are all asked of strangers. So a host is resolved once and dialled at an address
that the guard has let through, no redirect is followed, no proxy of the environment is used, the time is bounded as a
whole, and so are the octets that are read, those of headers and chunks with them.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, parse_headers
from time import monotonic

from postroom.internet.bounded import Bounded, TooMuch
from postroom.internet.guard import Forbidden, Guard
from postroom.internet.url import BadUrl, Url

MOST_ADDRESSES = 3  # of a host that one request dials
HEAD = 64 * 1024  # octets of an answer that are nothing of its body
GRACE = 2.0  # seconds that are waited for a body whose head is all that counts


class Unfetched(Exception):
    """There is no answer, or none that may be used. The text says why, `cause` says it in a word.

    The causes: bad_url, dns, forbidden_address, connection_refused, connection_timeout, tls, timeout, size, encoding,
    protocol.
    """

    def __init__(self, cause: str, why: str) -> None:
        super().__init__(why)
        self.cause = cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, and what of the answer is wanted."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float  # for all of it; DNS keeps its own time besides
    most: int  # octets of the body
    whole: bool = True  # else the head is all that counts: of the body what is beyond, late or malformed is left
    clear_text: bool = False  # http will do, to the networks that settings allow

    @property
    def most_in_all(self) -> int:
        """Octets of the answer that are read, its head and whatever frames its body with it."""
        return HEAD + 2 * self.most


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media_type: str | None  # in lower case, without its parameters
    body: bytes = field(repr=False)
    retry_after: str | None = None  # that field's value


class Https:
    """Asks over HTTPS, and over HTTP where a request says that it will do."""

    def __init__(self, *, addresses: Callable[[str], Sequence[str]], guard: Guard, ca_file: str | None = None) -> None:
        """`addresses` asks DNS for those of a host, and raises LookupError where it has none."""
        self._addresses = addresses
        self._guard = guard
        self._context = cache(lambda: _context(ca_file))

    def __call__(self, request: Request) -> Answer:
        """The answer, whatever its status, a redirect too. Raises `Unfetched`."""
        until = monotonic() + request.seconds
        url = url_of(request)
        sock = self.dial(url, until)
        try:
            with failures_of(request, url):
                return exchanged(request, url, bounded(request, sock, until))[0]
        finally:
            sock.close()

    def dial(self, url: Url, until: float) -> socket.socket:
        """A connection to the first address that takes one, TLS and all. Raises `Unfetched`."""
        guard = self._guard if url.secure else self._guard.without_public()
        try:
            found = guard.addresses(url.host, self._addresses)[:MOST_ADDRESSES]
        except Forbidden as error:
            raise Unfetched("forbidden_address", str(error)) from error
        except LookupError as error:
            raise Unfetched("dns", str(error)) from error
        failures: list[Unfetched] = []
        for left, address in zip(range(len(found), 0, -1), found, strict=True):
            now = monotonic()
            try:
                return self._dial(url, address, now + (until - now) / left)
            except Unfetched as error:
                failures.append(error)
        raise failures[-1]

    def _dial(self, url: Url, address: str, until: float) -> socket.socket:
        place = f"{url.host} ({address}, port {url.port})"
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        step = "connection_refused"
        try:
            sock.settimeout(max(until - monotonic(), 0.001))
            sock.connect((address, url.port))
            if not url.secure:
                return sock
            step = "tls"
            sock.settimeout(max(until - monotonic(), 0.001))  # of the handshake as a whole
            return self._context().wrap_socket(sock, server_hostname=url.host, suppress_ragged_eofs=False)
        except TimeoutError as error:
            sock.close()
            raise Unfetched("connection_timeout", f"{place} didn't take a connection in time") from error
        except (OSError, ValueError) as error:  # a name that TLS can't ask for is a ValueError
            sock.close()
            raise Unfetched(step, f"{place}: {_why(error)}") from error


def _why(error: OSError | ValueError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate can't be trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case OSError(strerror=str(why)):
            return why
        case _:
            return str(error)


def _context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.hostname_checks_common_name = False  # RFC 9110 §4.3.4: a common name is no host name
    # Some releases of Python 3.11 and 3.12 set this by themselves, and take an end that anybody could forge for one.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def url_of(request: Request) -> Url:
    """Whom it asks. Raises `Unfetched`."""
    try:
        url = Url.parse(request.url)
    except BadUrl as error:
        raise Unfetched("bad_url", str(error)) from error
    if not (url.secure or request.clear_text):
        raise Unfetched("bad_url", f"{request.url} must begin with https://")
    return url


@contextmanager
def failures_of(request: Request, url: Url) -> Iterator[None]:
    """Whatever goes wrong once there is a connection, as `Unfetched`."""
    try:
        yield
    except TooMuch as error:
        raise Unfetched("size", f"{url.host} answered with more than {request.most} octets") from error
    except TimeoutError as error:
        raise Unfetched("timeout", f"{url.host} didn't answer within {request.seconds:g} s") from error
    except (HTTPException, OSError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise Unfetched("protocol", f"{url.host} gave no answer that can be used: {why}") from error


def bounded(request: Request, sock: socket.socket, until: float) -> Bounded:
    """The connection, for one request."""
    return Bounded(sock, until, request.most_in_all)


def exchanged(request: Request, url: Url, line: Bounded, *, keep: bool = False) -> tuple[Answer, bool]:
    """The answer, and whether the connection is good for another request, which only `keep` makes it."""
    connection = HTTPConnection(url.host, url.port)
    connection.response_class = _Final
    connection.auto_open = 0  # it never dials
    connection.sock = said = _Said()
    connection.putrequest(request.method, url.target, skip_host=True, skip_accept_encoding=True)
    ours = {"Host": url.authority, "User-Agent": "postroom", "Accept-Encoding": "identity"}
    ours["Connection"] = "keep-alive" if keep else "close"
    if request.body is not None:
        ours["Content-Length"] = str(len(request.body))
    for name, value in {**ours, **request.headers}.items():
        connection.putheader(name, value)
    connection.endheaders(request.body)
    # In one piece: whoever dies on the way, or is cut off, leaves no head behind whose body never comes.
    line.sendall(said.octets)
    connection.sock = line
    try:
        response = connection.getresponse()
    except TooMuch as error:
        why = f"{url.host} answered with a head that didn't end within {request.most_in_all} octets"
        raise Unfetched("size", why) from error
    with response:
        body, again = (_read(response, request, url), False) if request.whole else _begun(response, request, line)
        media_type, retry_after = _media_type(response.getheader("Content-Type")), response.getheader("Retry-After")
        return Answer(response.status, media_type, body, retry_after), (
            again and keep and not response.will_close and not line.surplus
        )


class _Said:
    """As much of a socket as `HTTPConnection` says a request to."""

    def __init__(self) -> None:
        self.octets = bytearray()

    def sendall(self, octets: bytes) -> None:
        self.octets += octets

    def close(self) -> None:
        """There is nothing to close."""


class _Final(HTTPResponse):
    """The answer after the interim ones, any number of which may come before it (RFC 9110 §15.2)."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed leaves it out
            if not 100 < status < 200 or status == HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            parse_headers(self.fp)


def _read(response: HTTPResponse, request: Request, url: Url) -> bytes:
    """The whole body."""
    if response.getheader("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise Unfetched("encoding", f"{url.host} answered with a body that is encoded, as it was asked not to")
    # RFC 9110 §8.6: where they differ nobody knows where the body ends.
    if len({length.strip() for length in response.headers.get_all("Content-Length", ())}) > 1:
        raise ValueError("it tells of several lengths")
    body = b"".join(_pieces(response, request.most + 1))  # one octet more shows that there is more
    if len(body) > request.most:
        raise TooMuch
    if response.length:  # http.client says nothing where a body of known length ends early
        raise ValueError(f"its body ended {response.length} octets early")
    return body


def _begun(response: HTTPResponse, request: Request, line: Bounded) -> tuple[bytes, bool]:
    """The beginning of the body, as much as comes, and whether that is all of it."""
    pieces: list[bytes] = []
    line.end_by(monotonic() + GRACE)
    try:
        pieces.extend(_pieces(response, request.most))
    except (HTTPException, OSError, ValueError, TooMuch):
        return b"".join(pieces), False
    return b"".join(pieces), response.isclosed()


def _pieces(response: HTTPResponse, most: int) -> Iterator[bytes]:
    while most > 0 and (piece := response.read(min(most, 64 * 1024))):
        yield piece
        most -= len(piece)


def _media_type(field_value: str | None) -> str | None:
    return None if field_value is None else field_value.partition(";")[0].strip().lower()
