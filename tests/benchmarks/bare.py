"""The least that a function can do which takes the same JSON: a plain marshmallow schema, and an id for an answer."""

from __future__ import annotations

from uuid import uuid4

from flask import Request
from marshmallow import EXCLUDE, Schema, fields


class Plain(Schema):
    class Meta:
        unknown = EXCLUDE


class Tag(Plain):
    name = fields.String(required=True)
    value = fields.String(required=True)


class Attachment(Plain):
    content = fields.String()
    path = fields.String()
    filename = fields.String()
    content_type = fields.String()
    content_id = fields.String()


class Delivery(Plain):
    expires_at = fields.AwareDateTime()
    on_unknown = fields.String()
    requiretls = fields.Boolean()
    route = fields.String()
    tls = fields.String()


class Letter(Plain):
    sender = fields.String(required=True, data_key="from")
    to = fields.List(fields.String(), required=True)
    cc = fields.List(fields.String())
    bcc = fields.List(fields.String())
    reply_to = fields.List(fields.String())
    subject = fields.String(required=True)
    html = fields.String()
    text = fields.String()
    headers = fields.Dict(keys=fields.String(), values=fields.String())
    tags = fields.List(fields.Nested(Tag))
    attachments = fields.List(fields.Nested(Attachment))
    scheduled_at = fields.String()
    template = fields.Raw()
    topic_id = fields.String()
    delivery = fields.Nested(Delivery)


SCHEMA = Letter()


def bare(request: Request) -> dict[str, str]:
    SCHEMA.load(request.get_json())
    return {"id": str(uuid4())}
