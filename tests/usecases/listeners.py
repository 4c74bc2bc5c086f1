"""Applications that listen: webhooks over the stores of one machine, endpoints that answer as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

from postroom.account.event import Event
from postroom.account.vault import Vault
from postroom.account.webhook import OURS, Webhook
from postroom.announcing import Announcing
from postroom.claims import Claims
from postroom.delivery.notice import Notice
from postroom.event_log import EventLog
from postroom.letter_headers import LetterHeaders
from postroom.notify import Notify
from postroom.ports import Cursor, NotPosted, Posted, Unavailable
from postroom.resting import Rests
from postroom.webhooks import Webhooks
from tests.usecases.office import UseCases

DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30))
LETTERS = tuple(each for each in OURS if each.startswith("email."))


@dataclass(frozen=True)
class Heard:
    """What was posted to an endpoint."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.told["type"])

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def recipient(self) -> str:
        return str(self.told["data"]["to"][0])


def ok(_: Heard) -> Posted | NotPosted:
    return Posted(200, b"thanks")


def fails(_: Heard) -> Posted | NotPosted:
    return Posted(500, b"oh no")


def silent(_: Heard) -> Posted | NotPosted:
    return NotPosted("no answer within 15 s")


@dataclass
class Endpoints:
    """Implements `Posts`."""

    answer: Callable[[Heard], Posted | NotPosted] = ok
    heard: list[Heard] = field(default_factory=list)

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Posted | NotPosted:
        assert seconds > 0
        self.heard.append(Heard(url, headers, body))
        return self.answer(self.heard[-1])


class Listening:
    """The part of an office that tells webhooks."""

    def __init__(self, office: UseCases) -> None:
        self.office = office
        self.endpoints = Endpoints()
        self.disabled: list[tuple[str, str]] = []
        self.troubled: list[Unavailable] = []
        self.rests = Rests()
        self.log = EventLog(directory=office.directory, clock=lambda: office.now)
        numbers = count(1)
        self.webhooks = Webhooks(
            directory=office.directory,
            memory=office.directory,
            vault=Vault((b"\x01" * 32,), lambda octets: next(numbers).to_bytes(octets, "big")),
            clock=lambda: office.now,
            randomness=lambda octets: next(numbers).to_bytes(octets, "big"),
            pause=office.pauses.append,
        )

    def webhook(self, *events: str, endpoint: str = "https://app.example/hook") -> Webhook:
        return self.webhooks.create(endpoint, events or LETTERS)[0]

    def notify(self, notice: Notice, **instead: Any) -> None:
        self.function(**instead)(notice)

    def function(self, **instead: Any) -> Notify:
        office = self.office
        usual: dict[str, Any] = {
            "webhooks": self.webhooks,
            "log": self.log,
            "claims": Claims(submissions=office.submissions),
            "posts": self.endpoints,
            "schedule": office.schedule,
            "headers_of": LetterHeaders(office.submissions.letter),
            "delays": DELAYS,
            "clock": lambda: office.now,
            "monotonic": lambda: office.seconds,
            "disabled": lambda webhook, why: self.disabled.append((webhook.id, why)),
            "rests": self.rests,
        }
        return Notify(**usual | instead)

    @property
    def announce(self) -> Announcing:
        office = self.office
        return Announcing(
            wanted=office.wanted,
            log=self.log,
            directory=office.directory,
            schedule=office.schedule,
            clock=lambda: office.now,
            after=timedelta(minutes=10),
            troubled=self.troubled.append,
        )

    def run(self) -> int:
        """Run the notices that are due, and those that they put; how many."""
        ran, office = 0, self.office
        while due := [each for each in office.schedule.notices if each[1] <= office.now]:
            for each in due:
                office.schedule.notices.remove(each)
                self.notify(each[0])
                ran += 1
        return ran

    def wait(self) -> None:
        """Until the next notice is due, and run it."""
        self.office.now = max(self.office.now, min(at for _, at in self.office.schedule.notices))
        self.run()

    def events(self, webhook: Webhook) -> list[Event]:
        """Oldest first."""
        return list(self.log.page(webhook.id, Cursor(limit=100)).items)[::-1]

    @property
    def heard(self) -> list[tuple[str, str]]:
        """Recipients and types."""
        return [(each.recipient, each.type) for each in self.endpoints.heard]
