"""An API with the outside world in memory, and the hands to use it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from itertools import count
from os import urandom
from time import monotonic, sleep
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from postroom.accept import Accept
from postroom.account.domain import SendingDomain
from postroom.account.key import ApiKey, Permission, token_hash
from postroom.account.links import Links
from postroom.account.publication import Egress
from postroom.account.seal import pair
from postroom.account.unsubscribe import UnsubscribeLinks
from postroom.account.vault import Vault
from postroom.account.verp import ReturnPaths
from postroom.api.app import create_app
from postroom.batch import AcceptBatch
from postroom.catalog import newest_first
from postroom.change import Change
from postroom.claims import Claims
from postroom.consequences import Consequences
from postroom.delivery.routing import Relay, Route, Routes
from postroom.domain_register import DomainRegister
from postroom.domains import SendingDomains
from postroom.erasing import Erase
from postroom.event_body import EventBody
from postroom.event_log import EventLog
from postroom.filling import Published
from postroom.internet.guard import Guard
from postroom.letter_headers import LetterHeaders
from postroom.message.letter import Letter
from postroom.preflight.check import Check
from postroom.rates import Rates
from postroom.returns import Returns
from postroom.suppressions import Suppressions
from postroom.templates import Templates
from postroom.trying import Trying
from postroom.webhooks import Webhooks
from tests.api.fakes import Drawer, Memory, Tasks
from tests.doubles.book import Book
from tests.doubles.keys import a_key

NOON = datetime(2030, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
FULL = "pr_full"
SENDING = "pr_sending"
BOOTSTRAP = "pr_bootstrap"
VAULT = Vault((b"\x01" * 32,), urandom)
LINKS = Links((b"\x01" * 32,))
RETURN_PATHS = ReturnPaths((b"\x01" * 32,))
UNSUBSCRIBE = UnsubscribeLinks(Vault((b"\x01" * 32,), urandom))
SEAL, UNSEAL = pair(b"\x07" * 32)
EGRESS = Egress(("a:mail.shop.example",), ("mail.shop.example",), "bounces.shop.example")

ROUTES = Routes(
    (
        Route(name="relay", match="*.relayed.example", relay=Relay("relay.example", 587)),
        Route(name="mx", match="*.example"),
    )
)


@dataclass
class Office:
    submissions: Memory = field(default_factory=Memory)
    schedule: Tasks = field(default_factory=Tasks)
    directory: Drawer = field(default_factory=Drawer)
    sick: Exception | None = None
    now: datetime = NOON
    checks: Sequence[Check] = ()
    looked_at: list[str | None] = field(default_factory=list)
    rates: Rates | None = None
    proxies: int = 0
    public_url: str | None = None
    return_path_domain: str | None = None
    clear_text: bool = False
    book: Book = field(default_factory=lambda: Book({}))

    def __post_init__(self) -> None:
        for token, permission in ((FULL, Permission.FULL_ACCESS), (SENDING, Permission.SENDING_ACCESS)):
            id_ = newest_first(NOON - timedelta(days=1), token.encode().ljust)
            key = ApiKey(id=id_, name=token, permission=permission, created_at=NOON)
            self.directory.put("api_key", token_hash(token), key.record())
        for name, verified in (("shop.example", True), ("new.example", False)):
            id_ = newest_first(NOON - timedelta(days=1), name.encode().ljust)
            self.directory.put("domain", name, SendingDomain(id_, name, verified, NOON).record())
        numbers = count(1)

        def randomness(octets: int) -> bytes:
            return next(numbers).to_bytes(octets, "big")

        self.accept = Accept(
            submissions=self.submissions,
            schedule=self.schedule,
            directory=self.directory,
            routes=ROUTES,
            clock=lambda: self.now,
            randomness=randomness,
            secret=lambda: b"\x07" * 32,
            return_path_domain=self.return_path_domain,
            return_paths=RETURN_PATHS,
        )
        self.suppressions = Suppressions(directory=self.directory, clock=lambda: self.now, randomness=randomness)
        self.webhooks = Webhooks(
            directory=self.directory,
            memory=self.directory,
            vault=VAULT,
            clock=lambda: self.now,
            randomness=randomness,
            pause=sleep,
        )
        self.trying = Trying(
            log=EventLog(directory=self.directory, clock=lambda: self.now),
            schedule=self.schedule,
            clock=lambda: self.now,
            randomness=randomness,
        )
        self.domains = SendingDomains(
            register=DomainRegister(self.directory, lambda: self.now, timedelta(days=37)),
            seal_public=SEAL,
            clock=lambda: self.now,
            monotonic=monotonic,
            randomness=urandom,
            new_key=a_key,
            looking=lambda: self.book,
            egress=EGRESS,
            verifiable_for=timedelta(days=7),
            test_domain="postroom.test",
        )
        self.templates = Templates(
            directory=self.directory, versions=self.directory, clock=lambda: self.now, randomness=randomness
        )
        claims = Claims(submissions=self.submissions)
        self.returns = Returns(
            submissions=self.submissions,
            claims=claims,
            return_paths=RETURN_PATHS,
            clock=lambda: self.now,
            follow=Consequences(suppressions=self.suppressions, claims=claims, clock=lambda: self.now),
        )
        self.app: Flask = create_app(
            accept=self.accept,
            accept_batch=AcceptBatch(self.accept),
            change=Change(
                claims=claims,
                schedule=self.schedule,
                directory=self.directory,
                clock=lambda: self.now,
                sweep_after=timedelta(minutes=1),
            ),
            under_key=self.accept.under_key,
            erase=Erase(submissions=self.submissions, directory=self.directory, clock=lambda: self.now),
            links=LINKS,
            unsubscribe_links=UNSUBSCRIBE,
            public_url=self.public_url,
            submissions=self.submissions,
            directory=self.directory,
            suppressions=self.suppressions,
            bootstrap_key=BOOTSTRAP,
            clock=lambda: self.now,
            healthy=self._healthy,
            preflight=self._preflight,
            rates=self.rates,
            proxies=self.proxies,
            domains=self.domains,
            templates=self.templates,
            published=Published(self.templates, self.templates),
            repeat=self.accept.repeated,
            returns=self.returns,
            webhooks=self.webhooks,
            trying=self.trying,
            event_body=EventBody(self.submissions.find, LetterHeaders(self.submissions.letter)),
            dialled=Guard([ip_network("127.0.0.0/8")] if self.clear_text else []),
        )
        self.client: FlaskClient = self.app.test_client()

    def _healthy(self) -> None:
        if self.sick:
            raise self.sick

    def _preflight(self, domain: str | None) -> Sequence[Check]:
        self.looked_at.append(domain)
        return self.checks

    def post(self, body: Any, *, key: str | None = None, token: str = FULL) -> TestResponse:
        """POST /emails; a body of bytes goes as it is, anything else as JSON."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post("/emails", data=data, headers=headers)

    def get(self, path: str, *, token: str = FULL) -> TestResponse:
        return self.client.get(path, headers={"Authorization": f"Bearer {token}"})

    def delete(self, path: str, *, token: str = FULL) -> TestResponse:
        """With the empty object that some clients send."""
        return self.client.delete(path, data=b"{}", headers={"Authorization": f"Bearer {token}"})

    def send(self, **members: Any) -> str:
        """The id of a letter that is taken; members that are `...` are left out."""
        answered = self.post(letter(**members))
        assert answered.status_code == 200, answered.text
        self.now += timedelta(seconds=1)
        return str(answered.json["id"])  # type: ignore[index]

    def kept(self, id_: str) -> Letter:
        """The letter as it was stored."""
        return Letter.unpack(self.submissions.letters[id_])


def letter(**members: Any) -> dict[str, Any]:
    """A small good request, with these members instead of or beside its own."""
    whole: dict[str, Any] = {
        "from": "Shop <hello@shop.example>",
        "to": "ann@home.example",
        "subject": "Hello",
        "text": "Hello, Ann.",
    }
    whole |= {"from" if name == "sender" else name: value for name, value in members.items()}
    return {name: value for name, value in whole.items() if value is not ...}


def problem(answered: TestResponse) -> tuple[int, str, str]:
    """Status, name and message of an answer that is a problem and nothing beside it."""
    assert answered.content_type == "application/json"
    assert set(answered.json) == {"statusCode", "name", "message"}  # type: ignore[arg-type]
    body: dict[str, Any] = answered.json  # type: ignore[assignment]
    assert body["statusCode"] == answered.status_code
    return answered.status_code, body["name"], body["message"]
