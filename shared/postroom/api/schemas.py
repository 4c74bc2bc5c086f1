"""What `POST /emails` takes, member by member."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import RAISE, ValidationError, fields, validate, validates_schema

from postroom.api.attachments import MOST as MOST_ATTACHMENTS
from postroom.api.attachments import AttachmentSchema, check_total
from postroom.api.fields import (
    ONE_LINE,
    Address,
    Addresses,
    Flag,
    Headers,
    Items,
    Members,
    NotOffered,
    Text,
    Timestamp,
    Variables,
    accepted_by,
)
from postroom.api.problems import MISSING
from postroom.api.timing import ScheduledAt
from postroom.api.unsubscribing import flaws_of_offer
from postroom.message.letter import check_text
from postroom.smtp.security import Security

MOST_RECIPIENTS = 50
MOST_TAGS = 50
LONGEST_SUBJECT = 998

_TWO_BODIES = "`template` was given too, and makes the letter's body: leave one of them out"

_ITEM: dict[str, Any] = {"null": "expected an object, not null"}
_TAG_PART = validate.Regexp(
    r"[A-Za-z0-9_-]{1,256}\Z", error="a tag is made of 1 to 256 ASCII letters, digits, `_` and `-`"
)


class TagSchema(Members):
    """A name and a value that come back with every event of the letter."""

    name = Text(required=True, validate=_TAG_PART, metadata={"description": "ASCII letters, digits, `_` and `-`."})
    value = Text(required=True, validate=_TAG_PART, metadata={"description": "ASCII letters, digits, `_` and `-`."})


class DeliverySchema(Members):
    """How the letter is to be carried. Ours alone, so a member that isn't known is a mistake, not another age's."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "it isn't one of expires_at, on_unknown, requiretls, route, tls, unsubscribe"}  # noqa: RUF012  its name

    expires_at = Timestamp(metadata={"description": "After this moment no attempt starts."})
    on_unknown = Text(
        validate=validate.OneOf(("retry", "hold"), error="expected one of {choices}"),
        metadata={"description": "What follows a connection lost after the end of the letter."},
    )
    requiretls = Flag(metadata={"description": "Every server on the way must promise verified TLS (RFC 8689)."})
    route = Text(
        validate=[
            validate.Length(1, 100, error="a route's name has {min} to {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={"description": "The name of a route, instead of the routes table's choice."},
    )
    tls = Text(
        validate=validate.OneOf([str(each) for each in Security], error="expected one of {choices}"),
        metadata={"description": "The least that will do; `require` and `verify` never go on in clear text."},
    )
    unsubscribe = Flag(
        metadata={
            "description": "Its one recipient can unsubscribe with one click (RFC 8058). The link stands in the "
            "header, and in the place of each `{{ unsubscribe_url }}` in `html` and `text`."
        }
    )


class TemplateUseSchema(Members):
    """A template that a letter is made of, and what it is filled in with."""

    id = Text(
        required=True,
        validate=[
            validate.Length(1, 100, error="a template's id or alias has {min} to {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={"description": "The id or the alias of a template that is published.", "examples": ["welcome"]},
    )
    variables = Variables(load_default=dict, metadata={"description": "The values of its variables, by their names."})


class EmailSchema(Members):
    """One letter to send. It has `from`, `subject` and a body, `html`, `text` or both; or a template that has them."""

    example: ClassVar[dict[str, Any]] = {
        "from": "Acme <hello@example.com>",
        "to": ["friend@example.net"],
        "subject": "Hello",
        "html": "<p>It works.</p>",
    }

    sender = Address(
        load_default=None,
        data_key="from",
        metadata={
            "description": "Whom it is from: `a@example.com` or `Name <a@example.com>`. A template may say it instead."
        },
    )
    to = Addresses(required=True, least=1, most=MOST_RECIPIENTS, metadata={"description": "Whom it is for."})
    cc = Addresses(load_default=(), most=MOST_RECIPIENTS, metadata={"description": "Who gets a copy."})
    bcc = Addresses(load_default=(), most=MOST_RECIPIENTS, metadata={"description": "Who gets a copy unnamed."})
    reply_to = Addresses(load_default=(), most=MOST_RECIPIENTS, metadata={"description": "Whom answers go to."})
    subject = Text(
        load_default=None,
        validate=[
            validate.Length(max=LONGEST_SUBJECT, error="it is longer than {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={"description": "What it is about. A template may say it instead.", "examples": ["Hello"]},
    )
    html = Text(load_default="", metadata={"description": "The letter as HTML."})
    text = Text(
        load_default=None,
        metadata={"description": "The letter as plain text. Left out, it is made from `html`; empty, there is none."},
    )
    headers = Headers(load_default=(), metadata={"description": "Further header fields, by name."})
    tags = Items(
        fields.Nested(TagSchema, error_messages=_ITEM),
        load_default=(),
        most=MOST_TAGS,
        key=("name", lambda tag: tag["name"]),
        metadata={"description": "Names and values that come back with every event; no name twice."},
    )
    attachments = Items(
        fields.Nested(AttachmentSchema, error_messages=_ITEM),
        load_default=(),
        most=MOST_ATTACHMENTS,
        key=("content_id", lambda file: file.content_id),
        validate=check_total,
        metadata={"description": "Files that travel along."},
    )
    scheduled_at = ScheduledAt(load_default=None)
    template = fields.Nested(
        TemplateUseSchema, load_default=None, metadata={"description": "The stored template that it is made of."}
    )
    topic_id = NotOffered(metadata={"description": "The topic that recipients may have left."})
    delivery = fields.Nested(
        DeliverySchema, load_default=dict, metadata={"description": "How the letter is to be carried."}
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _is_whole(self, _data: Any, original: dict[str, Any], **_: Any) -> None:
        """It has a sender, a subject and a body, its own or a template's."""
        if original.get("template") is not None:
            twice = [name for name in ("html", "text") if original.get(name) is not None]
            if twice:
                raise ValidationError({name: [_TWO_BODIES] for name in twice})
            return
        missing = [name for name in ("from", "subject") if original.get(name) is None]
        if all(original.get(name) in (None, "") for name in ("html", "text")):
            missing.append("html` or `text")  # the backticks of one path, around two
        if missing:
            raise ValidationError({name: [MISSING] for name in missing})

    @validates_schema(skip_on_field_errors=False)
    def _may_offer_to_unsubscribe(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("delivery", {}).get("unsubscribe") and (flaws := flaws_of_offer(data)):
            raise ValidationError(flaws)
