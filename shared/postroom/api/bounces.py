"""`POST /bounces`: reports about letters, as the user's inbound service forwards them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from marshmallow import ValidationError, fields

from postroom.api.answers import Answer, one_of, told
from postroom.api.body import answer, read_octets
from postroom.api.fields import Address, Members, Shape
from postroom.api.operation import Access, Operation
from postroom.api.problems import RETRY_AFTER, Problem
from postroom.api.query import read_query
from postroom.delivery.reports.move import Effect
from postroom.delivery.reports.reading import NoMessage
from postroom.delivery.reports.report import Kind
from postroom.delivery.status import Status
from postroom.message.address import Mailbox
from postroom.returns import Busy, Heard, Outcome, Returned, Returns
from postroom.smtp.transcript import escaped

WHY: Mapping[Outcome, str] = {
    Outcome.READ: "It is a report about this letter.",
    Outcome.NOT_A_REPORT: "It is neither a delivery status notification nor a complaint, so nothing was changed.",
    Outcome.FORGED: "It names a return path whose signature isn't ours, so nothing was changed.",
    Outcome.UNSIGNED: (
        "It names this letter, but not the signed return path that a genuine report would have come to. Nothing was "
        "changed. If your service knows the envelope's recipient, say it as `recipient` in the query."
    ),
    Outcome.UNKNOWN: "It names no letter that is stored here, so nothing was changed.",
    Outcome.ERASED: "The letter that it is about was erased.",
}

LONGEST_ADDRESS = 320


class EnvelopeRecipient(Address):
    """An address as an envelope has it, which is shorter than what people write."""

    def shape(self) -> Shape:
        return {**super().shape(), "maxLength": LONGEST_ADDRESS}

    def read(self, value: Any) -> Mailbox:
        if isinstance(value, str) and len(value) > LONGEST_ADDRESS:
            raise ValidationError(f"it is longer than {LONGEST_ADDRESS} characters")
        return super().read(value)


class CameTo(Members):
    """What the message itself may not tell."""

    recipient = EnvelopeRecipient(
        metadata=told("The address that the message came to, by its envelope.", examples=["5a6f@bounces.example.org"]),
    )


class ReportedRecipient(Answer):
    """One whom the report names, and what became of that."""

    address = fields.String(
        allow_none=True,
        metadata=told("The letter's recipient; null where it is for nobody whom the report names."),
    )
    reported_as = fields.String(
        allow_none=True,
        metadata=told("The address that the report names: perhaps one that the letter was sent on to."),
    )
    status = fields.String(
        allow_none=True, validate=one_of(*Status), metadata=told("The recipient's state as it is now.")
    )
    outcome = fields.String(
        validate=one_of(*Effect, "not_a_recipient"),
        metadata=told(
            "`recorded`: the recipient is in the state that the report tells of. `kept`: its state is one that such a "
            "report doesn't change. `nothing_to_record`: the report tells of no end, such as a delay."
        ),
    )


class BounceReport(Answer):
    """What the message is to us, and what it has changed. The same message again gets the same answer."""

    object = fields.String(validate=one_of("bounce_report"))
    outcome = fields.String(validate=one_of(*Outcome))
    detail = fields.String(metadata=told("The outcome in a sentence."))
    kind = fields.String(
        allow_none=True,
        validate=one_of(*Kind),
        metadata=told("`delivery`: what became of a letter (RFC 3464). `feedback`: a complaint, say (RFC 5965)."),
    )
    email_id = fields.UUID(allow_none=True, metadata=told("The letter that it is about."))
    signed = fields.Boolean(metadata=told("Whether it names the letter's return path with our signature."))
    recipients = fields.List(fields.Nested(ReportedRecipient))


_QUERY = CameTo()


@dataclass(frozen=True, slots=True)
class BounceReports:
    """The view."""

    returns: Returns

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/bounces",
            view=self.take,
            access=Access.FULL,
            summary="Hand in a message that came back: a bounce or a complaint moves the recipient that it speaks of.",
            takes_octets=("message/rfc822", "application/octet-stream"),
            asks=_QUERY,
            answers=BounceReport(),
        )

    def take(self) -> Response:
        """POST /bounces"""
        recipient = read_query(request, _QUERY).get("recipient")
        octets = read_octets(request, "a message is expected, with its header", "as a message")
        try:
            returned = self.returns(octets, recipient and recipient.address)
        except NoMessage as error:
            raise Problem(
                "validation_error",
                f"The request body is no message: {error}. Send it raw (RFC 5322), as it came in.",
            ) from None
        except Busy:
            message = "The letter is being sent to somebody at the moment. Repeat the request in a few seconds."
            raise Problem("application_error", message, 503, {"Retry-After": RETRY_AFTER}) from None
        return answer(_shown(returned))


def _shown(returned: Returned) -> dict[str, Any]:
    return {
        "object": "bounce_report",
        "outcome": returned.outcome,
        "detail": WHY[returned.outcome],
        "kind": returned.kind,
        "email_id": returned.submission,
        "signed": returned.signed,
        "recipients": [_recipient(each) for each in returned.heard],
    }


def _recipient(heard: Heard) -> dict[str, Any]:
    recipient = heard.recipient
    return {
        "address": recipient and recipient.address,
        "reported_as": None if heard.reported_as is None else escaped(heard.reported_as, LONGEST_ADDRESS),
        "status": recipient and recipient.status,
        "outcome": heard.effect or "not_a_recipient",
    }
