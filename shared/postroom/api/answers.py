"""What the API answers, as its OpenAPI document tells it. Nothing is checked against these when it answers.

Every member is there each time; one that may be null says so.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from postroom.api.schemas import TagSchema
from postroom.delivery.status import Outcome, Status, resend_word
from postroom.preflight.check import Status as CheckStatus
from postroom.smtp.security import Security

LAST_EVENTS = sorted({resend_word(status, attempts) for status in Status for attempts in (0, 1)})


def told(description: str, **more: Any) -> dict[str, Any]:
    """The metadata of a field."""
    return {"description": description, **more}


def one_of(*words: str) -> validate.OneOf:
    return validate.OneOf([str(word) for word in words])


def moment(description: str, **kwargs: Any) -> fields.DateTime:
    """ISO 8601 in UTC, with milliseconds and a `Z`."""
    return fields.DateTime(metadata=told(description, examples=["2030-01-31T09:30:00.000Z"]), **kwargs)


class Answer(Schema):
    """An object of which every member is there each time, but for those whose metadata say that they are `optional`."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:  # noqa: ARG002  marshmallow's names
        field_obj.required = not field_obj.metadata.get("optional")


class Listed(Answer):
    """A page of a list; its items are `data`."""

    object = fields.String(validate=one_of("list"))
    has_more = fields.Boolean(metadata=told("Whether the list goes on in the direction that was asked for."))


class Deleted(Answer):
    """What was deleted, and that it is."""

    deleted = fields.Boolean(metadata={"enum": [True]})


class Document(Answer):
    """This document, which is OpenAPI 3.1."""

    openapi = fields.String(metadata=told("The version of OpenAPI.", examples=["3.1.1"]))
    info = fields.Dict()
    paths = fields.Dict()


class Health(Answer):
    """All is well."""

    status = fields.String(validate=one_of("ok"))


class SentEmail(Answer):
    """The letter is stored, and a task is out for it."""

    id = fields.UUID(metadata=told("The letter's id."))


class EmailSummary(Answer):
    """A letter, without what may be long."""

    id = fields.UUID()
    message_id = fields.String(metadata=told("Its Message-ID header.", examples=["<5a6f1b9e@example.com>"]))
    sender = fields.String(data_key="from", metadata=told("Whom it is from."))
    to = fields.List(fields.String(), metadata=told("Whom it is for."))
    cc = fields.List(fields.String(), metadata=told("Who gets a copy."))
    bcc = fields.List(fields.String(), metadata=told("Who gets a copy unnamed."))
    reply_to = fields.List(fields.String(), metadata=told("Whom answers go to."))
    subject = fields.String()
    topic_id = fields.String(allow_none=True, metadata=told("Always null: topics are not served."))
    created_at = moment("When it was taken.")
    scheduled_at = moment("When it is to be sent, if not at once.", allow_none=True)
    last_event = fields.String(
        validate=one_of(*LAST_EVENTS), metadata=told("What became of it, in one word; of several recipients the worst.")
    )


class EmailList(Listed):
    """Letters, newest first."""

    data = fields.List(fields.Nested(EmailSummary))
    next = fields.UUID(
        allow_none=True,
        metadata=told("Where the list goes on: the next request's `after`, or its `before` where that was asked for."),
    )


class DeletedEmail(Deleted):
    """The letter is erased."""

    object = fields.String(validate=one_of("email"))
    id = fields.UUID()


class AttachmentSummary(Answer):
    """A file that a letter encloses."""

    id = fields.UUID()
    filename = fields.String(metadata=told("What the recipient sees it called."))
    size = fields.Integer(allow_none=True, metadata=told("In octets; null while it is still to be fetched."))
    content_type = fields.String(
        metadata=told("Its media type; application/octet-stream also while only its server could tell.")
    )
    content_disposition = fields.String(validate=one_of("inline", "attachment"))
    content_id = fields.String(allow_none=True, metadata=told("What the HTML shows it by."))
    download_url = fields.String(
        allow_none=True,
        metadata=told(
            "Where its octets are until `expires_at`; needs no key. Null while it is still to be fetched.", format="uri"
        ),
    )
    expires_at = moment("When the link ends.", allow_none=True)


class AttachmentList(Listed):
    """The files that a letter encloses, in its order."""

    data = fields.List(fields.Nested(AttachmentSummary))


class StoredAttachment(AttachmentSummary):
    """A file that a letter encloses."""

    object = fields.String(validate=one_of("attachment"))


class Recipient(Answer):
    """One recipient, and what is known of the letter's fate with it."""

    address = fields.String()
    kind = fields.String(validate=one_of("to", "cc", "bcc"))
    status = fields.String(validate=one_of(*Status))
    attempts = fields.Integer(metadata=told("How many were made."))
    possibly_delivered = fields.Boolean(
        metadata=told("An attempt lost its connection after the end of the letter, so a copy may have been taken.")
    )
    code = fields.Integer(allow_none=True, metadata=told("The server's last reply code.", examples=[250]))
    enhanced_code = fields.String(
        allow_none=True, metadata=told("Its enhanced status code (RFC 3463).", examples=["2.0.0"])
    )
    response = fields.String(allow_none=True, metadata=told("The server's own words."))
    cause = fields.String(
        allow_none=True, metadata=told("Why it was not delivered, in one word.", examples=["mailbox_full"])
    )
    mx = fields.String(allow_none=True, metadata=told("The server that was spoken to last."))
    remote_id = fields.String(allow_none=True, metadata=told("The name that the server gave the letter."))
    next_attempt_at = moment("When it is tried again.", allow_none=True)
    updated_at = moment("When this was last changed.")


class StoredEmail(EmailSummary):
    """A letter, and what became of it."""

    object = fields.String(validate=one_of("email"))
    html = fields.String(allow_none=True, metadata=told("The letter as HTML."))
    text = fields.String(allow_none=True, metadata=told("The letter as plain text."))
    tags = fields.List(fields.Nested(TagSchema))
    expires_at = moment("After this moment no attempt starts.", allow_none=True)
    recipients = fields.List(fields.Nested(Recipient))


class Tls(Answer):
    """How a session was encrypted."""

    version = fields.String(metadata=told("The protocol.", examples=["TLSv1.3"]))
    cipher = fields.String(metadata=told("The cipher suite.", examples=["TLS_AES_256_GCM_SHA384"]))
    verified = fields.Boolean(metadata=told("The certificate was checked against the server's name and the roots."))
    policy = fields.String(validate=one_of(*Security), metadata=told("The least that would have done."))


class TranscriptLine(Answer):
    """One line of a session. Secrets are left out, and of a letter's octets their number and SHA-256 are told."""

    at_ms = fields.Float(metadata=told("Milliseconds since the attempt began."))
    speaker = fields.String(data_key="from", validate=one_of("client", "server"))
    line = fields.String()


class Attempt(Answer):
    """One try: who was spoken to, what was said, how it ended."""

    id = fields.UUID()
    destination = fields.String(metadata=told("The domain, or the relay, that it was for.", examples=["example.net"]))
    number = fields.Integer(metadata=told("Counted for its recipients, from 1."))
    started_at = moment("When its letter was claimed.")
    finished_at = moment("When its outcome was known.")
    route = fields.String(allow_none=True, metadata=told("The name of the route that was taken."))
    mx = fields.String(allow_none=True, metadata=told("The server's name."))
    address = fields.String(allow_none=True, metadata=told("The server's IP address."))
    tls = fields.Nested(Tls, allow_none=True, metadata=told("Null where the session was in clear text."))
    round_trips = fields.Integer(allow_none=True, metadata=told("How often an answer was waited for."))
    outcome = fields.String(validate=one_of(*Outcome))
    note = fields.String(allow_none=True, metadata=told("Why it ended, where no reply tells."))
    transcript = fields.List(fields.Nested(TranscriptLine))


class AttemptList(Listed):
    """Attempts, newest first."""

    data = fields.List(fields.Nested(Attempt))


class Check(Answer):
    """One thing that was looked at."""

    check = fields.String(metadata=told("What it was.", examples=["port_25"]))
    status = fields.String(validate=one_of(*CheckStatus))
    detail = fields.String(metadata=told("What was found, and what to do about it."))


class CheckList(Answer):
    """All that was looked at."""

    object = fields.String(validate=one_of("list"))
    data = fields.List(fields.Nested(Check))
