"""An attempt as a worker leaves it."""

from __future__ import annotations

from datetime import timedelta

from postroom.delivery.attempt import Attempt, TlsFacts
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Outcome
from postroom.smtp.transcript import Line
from tests.api.office import NOON


def attempt(id_: str, claim: int) -> Attempt:
    return Attempt(
        submission=SubmissionId(id_),
        parcel=0,
        claim=claim,
        number=claim,
        destination="home.example",
        started_at=NOON,
        finished_at=NOON + timedelta(milliseconds=250),
        outcome=Outcome.ACCEPTED,
        route="mx",
        mx="mx.home.example",
        address="192.0.2.7:25",
        tls=TlsFacts(version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256", verified=True, policy="opportunistic"),
        round_trips=4,
        transcript=(Line(0.5, "server", "220 mx.home.example"), Line(1.25, "client", "EHLO shop.example")),
    )
