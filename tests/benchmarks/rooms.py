"""What each room costs by itself, in microseconds a letter: where the time goes when nothing waits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from postroom.api.schemas import EmailSchema
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status
from postroom.message.address import Mailbox
from postroom.message.dkim import SigningKey, new_key, sign
from postroom.message.letter import Letter
from postroom.message.mime import render
from postroom.smtp.commands import Content, Data, Greeting
from postroom.smtp.dialogue import Session
from postroom.smtp.envelope import Mail
from postroom.smtp.flight import Flight, Heard
from postroom.smtp.reply import Reply, ReplyParser
from tests.benchmarks.load import BODY

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def microseconds(work: Callable[[], object], seconds: float = 0.3) -> float:
    """The fastest of three runs."""
    work()
    best = float("inf")
    for _ in range(3):
        count, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            work()
            count += 1
        best = min(best, spent / count)
    return best * 1e6


def dialogue() -> None:
    """A whole session's worth of flights and replies, without a socket."""
    session = Session("client.example.org")
    mail = Mail("a@example.org", ("b@example.net",), LETTER)
    for part in (session.introduce, lambda: session.transaction(mail), session.farewell):
        talk = part()
        try:
            flight: Flight = next(talk)
            while True:
                flight = talk.send(Heard(tuple(_answer(flight))))
        except StopIteration:
            pass


def _answer(flight: Flight) -> list[Reply]:
    octets = b""
    for command in flight:
        command.encode()
        if isinstance(command, Greeting):
            octets += b"220 hi\r\n"
        elif isinstance(command, Data):
            octets += b"354 go on\r\n"
        elif isinstance(command, Content):
            octets += b"250 2.0.0 taken\r\n"
        else:
            octets += b"250-ok\r\n250 PIPELINING\r\n"
    return list(ReplyParser().feed(octets))


ASKED = json.loads(BODY)
SCHEMA = EmailSchema()
LOADED = Letter(
    sender=Mailbox.parse(ASKED["from"]),
    to=tuple(map(Mailbox.parse, ASKED["to"])),
    subject=ASKED["subject"],
    text=ASKED["text"],
    html=ASKED["html"],
)
LETTER = render(LOADED, message_id="<x@example.org>", date=NOON, seed="x")


def report() -> None:
    key = SigningKey.load("example.org", "s", new_key("rsa"))
    packed = LOADED.pack()
    record = json.dumps(_parcel().record())
    costs = {
        "read and check the request": lambda: SCHEMA.load(json.loads(BODY)),
        "pack and unpack the letter": lambda: Letter.unpack(LOADED.pack()),
        "render it": lambda: render(LOADED, message_id="<x@example.org>", date=NOON, seed="x"),
        "sign it, RSA-2048": lambda: sign(LETTER, [key], at=NOON, expires=NOON + timedelta(days=7)),
        "one SMTP session": dialogue,
        "read and write a parcel": lambda: json.dumps(Parcel.from_record(json.loads(record)).record()),
    }
    print(f"the rooms by themselves, a letter of {len(LETTER)} octets ({len(packed)} packed)")
    for name, work in costs.items():
        print(f"  {name:<28} {microseconds(work):8.0f} µs")


def _parcel() -> Parcel:
    recipient = Recipient(address="b@example.net", kind="to", status=Status.QUEUED, updated_at=NOON)
    return Parcel(
        submission=SubmissionId("5a6f1b9e-94a5-4a5e-8f4e-8e8d1b1c0f57"),
        number=0,
        route="mx",
        destination="example.net",
        queue="default",
        recipients=(recipient,),
    )
