"""Who is let in: the check of the tokens that Cloud Tasks and Cloud Scheduler show."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from postroom.clouds.gcp.invocation import REMOVED, Certificates, InvokerToken
from postroom.ports import Unavailable
from tests.homes.cloudtasks import AUDIENCE, SERVICE_ACCOUNT, Keys

KEYS = Keys()
FORGED = Keys()  # another key under the same name


@dataclass
class Google:
    """Where certificates are fetched from, and how often they were."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Cache-Control": "public, max-age=3600, must-revalidate"})
    content: Any = field(default_factory=KEYS.certificates)
    fetched: int = 0


@pytest.fixture
def google() -> Iterator[Google]:
    says = Google()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            says.fetched += 1
            self.send_response(says.status)
            for name, value in says.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(says.content).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    says.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield says
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def check(google: Google) -> InvokerToken:
    return InvokerToken(AUDIENCE, SERVICE_ACCOUNT, google.url)


def now() -> datetime:
    return datetime.now(UTC)


def bearer(keys: Keys = KEYS, at: datetime | None = None, **claims: Any) -> str:
    return f"Bearer {keys.token(at or now(), **claims)}"


def test_our_own_queue_is_let_in(check: InvokerToken, google: Google) -> None:
    assert [check(bearer()) for _ in range(3)] == [None] * 3
    assert check(bearer(iss="accounts.google.com")) is None
    assert google.fetched == 1


REFUSED = {
    "nothing": ("", "no bearer token"),
    "an empty token": ("Bearer ", "no bearer token"),
    "another scheme": ("Basic dXNlcjpwYXNz", "no bearer token"),
    "a secret": ("Bearer secret", "can't be read"),
    "letters": ("Bearer a.b.c", "can't be read"),
    "half of a pair": ("Bearer \ud800.é.\0", "can't be read"),
    "a deep header": (f"Bearer {base64.b64encode(b'[' * 9000).decode()}.e30.x", "can't be read"),
    "another audience": (bearer(aud="https://elsewhere.example"), "another audience"),
    "a list of audiences": (bearer(aud=[AUDIENCE]), "another audience"),
    "another issuer": (bearer(iss="https://accounts.example"), "another issuer"),
    "another account": (bearer(email="somebody@else.example"), "another account"),
    "an account not verified": (bearer(email_verified=False), "another account"),
    "an account verified in words": (bearer(email_verified="true"), "another account"),
    "from the past": (bearer(at=now() - timedelta(hours=2)), "expired"),
    "for ever": (bearer(exp="never"), "expired"),
    "not a number": (bearer(exp=float("nan")), "expired"),
    "from the future": (bearer(at=now() + timedelta(hours=1)), "not signed"),
    "another key of the same name": (bearer(FORGED), "not signed"),
    "another key": (bearer(Keys("two")), "isn't known"),
    "no signature": (bearer().rpartition(".")[0] + ".", "not signed"),
    "a removed signature": (bearer().rpartition(".")[0] + f".{REMOVED}", "not signed"),
}


@pytest.mark.parametrize("shown", REFUSED)
def test_everybody_else_is_refused(check: InvokerToken, shown: str) -> None:
    authorization, why = REFUSED[shown]
    refusal = check(authorization)
    assert refusal is not None
    assert why in refusal


def test_nobody_makes_us_fetch_by_what_he_makes_up(check: InvokerToken, google: Google) -> None:
    for made_up in ("Bearer a.b.c", bearer(aud="https://elsewhere.example"), bearer(email="somebody@else.example")):
        assert check(made_up) is not None
    assert google.fetched == 0


def test_a_token_may_come_without_its_signature_where_cloud_run_has_checked_it(google: Google) -> None:
    check = InvokerToken(AUDIENCE, SERVICE_ACCOUNT, google.url, behind_iam=True)

    def unsigned(**claims: Any) -> str:
        return f"{bearer(**claims).rpartition('.')[0]}.{REMOVED}"

    assert check(unsigned()) is None
    assert check(unsigned(email="somebody@else.example")) is not None
    assert check(unsigned(aud="https://elsewhere.example")) is not None
    assert check(unsigned(at=now() - timedelta(hours=2))) is not None
    assert google.fetched == 0
    assert check(bearer()) is None
    assert check(bearer(FORGED)) is not None, "a signature that is there counts"


def test_where_the_certificates_can_not_be_fetched_nobody_is_judged(check: InvokerToken, google: Google) -> None:
    for google.status, google.content in ((503, KEYS.certificates()), (200, ["no", "certificates"])):
        with pytest.raises(Unavailable, match="certificates"):
            check(bearer())
    google.status, google.content = 200, KEYS.certificates()
    assert check(bearer()) is None


def test_certificates_are_kept_for_as_long_as_they_say(google: Google) -> None:
    seconds = 0.0
    certificates = Certificates(google.url, clock=lambda: seconds)
    google.headers = {"Cache-Control": "public, max-age=100"}
    for seconds, fetched in ((0.0, 1), (99.0, 1), (100.0, 2), (199.0, 2), (201.0, 3)):  # noqa: B007  # the clock reads it
        assert certificates.get("one") is not None
        assert google.fetched == fetched


def test_a_key_that_is_not_known_is_looked_for_once_a_minute(google: Google) -> None:
    seconds = 0.0
    certificates = Certificates(google.url, clock=lambda: seconds)
    for seconds, fetched in ((0.0, 1), (59.0, 1), (60.0, 2), (119.0, 2)):  # noqa: B007  # the clock reads it
        assert certificates.get("two") is None
        assert google.fetched == fetched
    google.content, seconds = Keys("two").certificates(), 120.0
    assert certificates.get("two") is not None
    assert certificates.get("one") is None, "a key that was withdrawn is known no longer"
