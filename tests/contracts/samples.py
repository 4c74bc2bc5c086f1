"""Records for the contracts: small, plain, and at fixed times, so that a claim needs no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from postroom.claims import Claimed
from postroom.delivery.attempt import Attempt, TlsFacts
from postroom.delivery.parcel import Franking, Lease, Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Outcome, Status
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.ports import Found
from postroom.smtp.transcript import Line

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LETTER = b'{"text": "Dear Ann"}'
FRANKING = Franking("example.com", ("one", "two"))


def submission(
    *, created_at: datetime = NOON, destinations: Iterable[str] = ("example.org",), subject: str = "Dinner"
) -> Submission:
    id_ = SubmissionId(str(uuid4()))
    parcels = tuple(parcel(id_, number, destination) for number, destination in enumerate(destinations))
    return Submission(
        id=id_,
        created_at=created_at,
        fingerprint="f1",
        message_id=f"<{id_}@example.com>",
        sender="Bob <bob@example.com>",
        to=tuple(recipient.address for each in parcels for recipient in each.recipients),
        subject=subject,
        tags=(("kind", "invitation"),),
        parcels=parcels,
    )


def parcel(id_: SubmissionId, number: int, destination: str) -> Parcel:
    recipient = Recipient(address=f"ann@{destination}", kind="to", status=Status.QUEUED, updated_at=NOON)
    return Parcel(
        submission=id_, number=number, route="mx", destination=destination, queue="mx", recipients=(recipient,)
    )


def ref(of: Submission | Parcel) -> ParcelRef:
    """How a task names the parcel, or a submission's first, as it stands."""
    one = of.parcels[0] if isinstance(of, Submission) else of
    return ParcelRef(one.submission, one.number, one.claim, one.generation)


def lease(holder: str = "worker-1", since: datetime = NOON, minutes: float = 15) -> Lease:
    return Lease(holder, since, since + minutes * MINUTE)


def franked(_: Found) -> Franking:
    return FRANKING


def unfranked(_: Found) -> None:
    return None


def claimed(answer: object) -> Claimed:
    assert isinstance(answer, Claimed), answer
    return answer


def delivered(mine: Parcel, at: datetime = NOON) -> Parcel:
    """The parcel as its worker settles it when the server took it."""
    recipients = tuple(each.sending(at).moved(Status.DELIVERED, at, code=250) for each in mine.recipients)
    return replace(mine, lease=None, recipients=recipients, attempts=mine.attempts + 1, next_attempt_at=None)


def deferred(mine: Parcel, again_at: datetime) -> Parcel:
    """The parcel as its worker settles it when the server said to try later."""
    recipients = tuple(
        each.sending(NOON).moved(Status.DEFERRED, NOON, code=451, next_attempt_at=again_at) for each in mine.recipients
    )
    return replace(mine, lease=None, recipients=recipients, attempts=mine.attempts + 1, next_attempt_at=again_at)


def attempt(mine: Parcel, *, started_at: datetime = NOON, text: str = "250 2.0.0 Ok") -> Attempt:
    return Attempt(
        submission=mine.submission,
        parcel=mine.number,
        claim=mine.claim,
        number=mine.attempts + 1,
        destination=mine.destination,
        started_at=started_at,
        finished_at=started_at,
        outcome=Outcome.ACCEPTED,
        mx="mx.example.org",
        tls=TlsFacts(version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256", verified=True, policy="opportunistic"),
        transcript=(Line(0.0, "client", "MAIL FROM:<bob@example.com>"), Line(1.25, "server", text)),
    )


def task(queue: str = "mx", of: Submission | None = None, destination: str = "example.org") -> DeliveryTask:
    """A task like any other, of the given submission's first parcel or of one that is nowhere."""
    one = (of or submission(destinations=(destination,))).parcels[0]
    return DeliveryTask(queue, one.route, one.destination, (ref(one),))
