"""The least that a function can do which refuses the same mistakes: a marshmallow schema, and an id for an answer."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema


class Plain(Schema):
    class Meta:
        unknown = EXCLUDE


class Tag(Plain):
    name = fields.String(required=True, validate=validate.Length(1, 256))
    value = fields.String(required=True, validate=validate.Length(1, 256))


class Attachment(Plain):
    content = fields.String()
    path = fields.Url()
    filename = fields.String(validate=validate.Length(max=255))
    content_type = fields.String()
    content_id = fields.String()


class Delivery(Plain):
    expires_at = fields.AwareDateTime()
    on_unknown = fields.String(validate=validate.OneOf(("retry", "hold")))
    requiretls = fields.Boolean()
    route = fields.String(validate=validate.Length(1, 100))
    tls = fields.String(validate=validate.OneOf(("opportunistic", "require", "verify")))


class Letter(Plain):
    sender = fields.String(required=True, data_key="from", validate=validate.Length(3, 2048))
    to = fields.List(fields.Email(), required=True, validate=validate.Length(1, 50))
    cc = fields.List(fields.Email(), validate=validate.Length(max=50))
    bcc = fields.List(fields.Email(), validate=validate.Length(max=50))
    reply_to = fields.List(fields.Email(), validate=validate.Length(max=50))
    subject = fields.String(required=True, validate=validate.Length(max=998))
    html = fields.String()
    text = fields.String()
    headers = fields.Dict(keys=fields.String(), values=fields.String())
    tags = fields.List(fields.Nested(Tag), validate=validate.Length(max=50))
    attachments = fields.List(fields.Nested(Attachment))
    scheduled_at = fields.String()
    template = fields.Raw()
    topic_id = fields.String()
    delivery = fields.Nested(Delivery)

    @validates_schema
    def _has_a_body(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("html") and not data.get("text"):
            raise ValidationError("html or text is needed")


SCHEMA = Letter()


def bare(request: Request) -> dict[str, str]:
    SCHEMA.load(request.get_json())
    return {"id": str(uuid4())}
