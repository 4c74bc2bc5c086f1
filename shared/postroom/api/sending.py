"""Letters on their way in: `POST /emails`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

from flask import Response, request
from marshmallow import ValidationError

from postroom.accept import SubmitRequest, Untimely, UnverifiedSender
from postroom.account.unsubscribe import linked, unsubscribable
from postroom.api.answers import SentEmail
from postroom.api.auth import asking
from postroom.api.body import answer, digest, read_object
from postroom.api.filling import Filling
from postroom.api.headers import LONGEST_KEY, SubmissionHeaders
from postroom.api.operation import Access, Operation
from postroom.api.problems import Problem, invalid
from postroom.api.schemas import EmailSchema
from postroom.api.timing import untimely
from postroom.delivery.routing import NoRoute
from postroom.delivery.submission import Submission
from postroom.idempotency import IdempotencyConflict
from postroom.message.letter import Attachment, Letter

UNKEYED = "unkeyed"
"""The fingerprint of a request without a key: no other is ever compared with it, and to make one takes its time."""

_SCHEMA = EmailSchema()
_PLACES = {field.data_key or name: place for place, (name, field) in enumerate(_SCHEMA.fields.items())}


@dataclass(frozen=True, slots=True)
class Sending:
    """The views."""

    accept: Callable[[SubmitRequest], Submission]
    repeat: Callable[[str, str], Submission | None]
    filling: Callable[[], Filling]
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/emails",
            view=self.submit,
            access=Access.SENDING,
            summary="Send a letter.",
            takes=_SCHEMA,
            heeds=SubmissionHeaders(),
            answers=SentEmail(),
            refuses=(409,),
        )

    def submit(self) -> Response:
        """POST /emails"""
        key = idempotency_key()
        document = read_object(request)
        try:
            email = checked(document, self.clock(), keyed=key is not None)
        except ValidationError as error:
            raise invalid(error.messages_dict) from None
        fingerprint = UNKEYED if key is None else digest(spelled(document, email["attachments"]))
        try:
            asked = submit_request(self.filling()(email), fingerprint, key)
        except ValidationError as error:
            # The template may have been published anew, or deleted, since the letter was taken under this key.
            taken = None if key is None else self.repeat(key, fingerprint)
            if taken is not None:
                return answer({"id": taken.id})
            raise invalid(error.messages_dict) from None
        try:
            submission = self.accept(asked)
        except (Untimely, NoRoute) as error:
            raise invalid(flaws_of(error, asked)) from None
        except UnverifiedSender as error:
            raise unverified(error) from None
        except IdempotencyConflict as error:
            raise conflict(error) from None
        return answer({"id": submission.id})


def idempotency_key() -> str | None:
    """The request's, where it has one. Raises `Problem`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise Problem("invalid_idempotency_key", f"An Idempotency-Key has 1 to {LONGEST_KEY} characters.")
    return key


def checked(document: Any, now: datetime, *, keyed: bool) -> dict[str, Any]:
    """The letter as the schema reads it. Raises `ValidationError` with everything that is wrong with it.

    With a key it may be the repeat of a request that came in time, and is to be answered as that one was: there
    `untimely` holds what is wrong with its moments by now.
    """
    errors: dict[Any, Any] = {}
    try:
        email = _SCHEMA.load(document)
    except ValidationError as error:
        email, errors = error.valid_data or {}, dict(error.messages_dict)
    email = cast(dict[str, Any], email)
    late = untimely(email, now)
    if errors or (late and not keyed):
        for name, flaws in late.items():
            errors[name] = {**errors.get(name, {}), **flaws} if isinstance(flaws, dict) else flaws
        raise ValidationError(dict(sorted(errors.items(), key=lambda flaw: _PLACES.get(flaw[0], len(_PLACES)))))
    return email | {"untimely": late}


def flaws_of(error: Untimely | NoRoute, asked: SubmitRequest) -> Mapping[str, Any]:
    """Why a letter isn't accepted, as a schema would name it."""
    if isinstance(error, Untimely):
        return error.flaws
    return {"delivery": {"route": [str(error)]}} if asked.route else {"to": [str(error)]}


def unverified(error: UnverifiedSender) -> Problem:
    return Problem("validation_error", str(error), 403)


def conflict(error: IdempotencyConflict) -> Problem:
    return Problem("invalid_idempotent_request", str(error))


def spelled(document: dict[str, Any], attachments: Sequence[Attachment]) -> dict[str, Any]:
    """What its fingerprint is made of: digests stand for the files, which are long, and slow to write out again."""
    if not attachments:
        return document
    files = [
        given | {"content": sha256(attachment.content).hexdigest()}
        for given, attachment in zip(document["attachments"], attachments, strict=True)
    ]
    return document | {"attachments": files}


def submit_request(email: dict[str, Any], fingerprint: str, key: str | None = None) -> SubmitRequest:
    """The use case's form of a letter that is `checked` and filled in."""
    delivery = email["delivery"]
    # A letter has one Message-ID. The caller's own stands in for ours, and is no header beside it.
    message_ids = [value.strip() for name, value in email["headers"] if name.lower() == "message-id"]
    letter = Letter(
        sender=email["sender"],
        to=email["to"],
        cc=email["cc"],
        reply_to=email["reply_to"],
        subject=email["subject"],
        text=email["text"],
        html=email["html"] or None,
        headers=tuple((name, value) for name, value in email["headers"] if name.lower() != "message-id"),
        attachments=tuple(email["attachments"]),
    )
    if email.get("unsubscribe_url") is not None:
        letter = unsubscribable(letter, email["unsubscribe_url"])
        if email["template"] is None:  # what a template's variables hold is data, and its own places are filled in
            letter = linked(letter, email["unsubscribe_url"])
    return SubmitRequest(
        letter=letter,
        fingerprint=fingerprint,
        bcc=email["bcc"],
        tags=tuple((tag["name"], tag["value"]) for tag in email["tags"]),
        message_id=message_ids[0] if message_ids else None,
        idempotency_key=key,
        untimely=Untimely(email["untimely"]) if email["untimely"] else None,
        scheduled_at=email["scheduled_at"],
        expires_at=delivery.get("expires_at"),
        on_unknown=delivery.get("on_unknown"),
        route=delivery.get("route"),
        tls=delivery.get("tls"),
        requiretls=delivery.get("requiretls", False),
        domain_id=asking().domain_id,
    )
