"""What the requests about webhooks take, and what they answer."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from postroom.account.event import MOST_POSTS
from postroom.account.webhook import OURS, TYPES, State
from postroom.api.answers import Answer, Deleted, Listed, moment, one_of, told
from postroom.api.fields import Items, Members, Shape, Text, Value
from postroom.api.pages import PageSchema
from postroom.internet.endpoint import LONGEST, Endpoint
from postroom.internet.url import BadUrl

STATUSES = ("pending", "attempting", "success", "failed")

_ENDPOINT = (
    "An https URL that events are posted to; http only for hosts in networks that POSTROOM_DIAL_ALLOW names. "
    "A user and a password in it are sent as basic authentication."
)
_EVENTS = f"The types of events that it wants. These happen here: {', '.join(OURS)}. The others are never sent."


class EndpointUrl(Value[str]):
    """The URL of an endpoint. Whether the host that it names may be posted to is found out when it is."""

    def shape(self) -> Shape:
        return {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": LONGEST}

    def read(self, value: Any) -> str:
        text = Text().read(value)
        try:
            Endpoint.parse(text)
        except BadUrl as error:
            raise ValidationError(str(error)) from None
        return text


def _type(**options: Any) -> Text:
    return Text(validate=validate.OneOf(TYPES, error="expected one of {choices}"), **options)


def _types(**options: Any) -> Items:
    return Items(
        _type(error_messages={"null": "expected a string, not null"}),
        most=100,
        validate=validate.Length(min=1, error="it would hear nothing: name at least one type"),
        metadata={"description": _EVENTS, "examples": [["email.delivered", "email.bounced", "email.complained"]]},
        **options,
    )


class WebhookSchema(Members):
    """A webhook to create."""

    endpoint = EndpointUrl(required=True, metadata={"description": _ENDPOINT})
    events = _types(required=True)


class WebhookChangesSchema(Members):
    """What may be changed of a webhook."""

    endpoint = EndpointUrl(metadata={"description": _ENDPOINT})
    events = _types()
    status = Text(
        validate=validate.OneOf(list(State), error="expected one of {choices}"),
        metadata={"description": "Whether it is told anything. Enabling it clears what counted against it."},
    )


class TestEventSchema(Members):
    """What a test event is to look like."""

    __test__ = False  # for pytest, which would take it for a test by its name

    type = _type(
        metadata={"description": "One of the types that the webhook wants and that happen here; without it the first."}
    )


class OlderPageSchema(PageSchema):
    """Which part of the list is asked for."""

    class Meta(PageSchema.Meta):
        exclude = ("before",)


class NamedWebhook(Answer):
    """A webhook by its name alone."""

    object = fields.String(validate=one_of("webhook"))
    id = fields.UUID()


class MadeWebhook(NamedWebhook):
    """The webhook hears of what happens from now on."""

    signing_secret = fields.String(metadata=told("What its events are signed with.", examples=["whsec_MfKQ9r8G…"]))


class ShownWebhook(NamedWebhook):
    """A webhook, without its secret."""

    created_at = moment("When it was made.")
    status = fields.String(validate=one_of(*State))
    endpoint = fields.String(metadata=told("Where its events are posted to."))
    events = fields.List(fields.String(validate=one_of(*TYPES)), metadata=told("The types that it wants."))
    disabled_reason = fields.String(
        allow_none=True, metadata=told("Why it was disabled, where nobody has asked for it.")
    )


class WholeWebhook(ShownWebhook):
    """A webhook with its secret."""

    signing_secret = fields.String(
        allow_none=True,
        metadata=told("What its events are signed with. Null where the master keys that it lies under are gone."),
    )


class WebhookList(Listed):
    """Webhooks, newest first."""

    data = fields.List(fields.Nested(ShownWebhook))


class DeletedWebhook(NamedWebhook, Deleted):
    """The webhook is told nothing more, and its log is removed."""


class NamedEvent(Answer):
    """An event by its name alone."""

    object = fields.String(validate=one_of("webhook_event"))
    id = fields.UUID(metadata=told("What `webhook-id` and `svix-id` say in each of its posts."))


class EventSummary(Answer):
    """An event, without what it says."""

    id = fields.UUID()
    type = fields.String(validate=one_of(*OURS))
    created_at = moment("When what it tells of happened.")
    status = fields.String(validate=one_of(*STATUSES))


class EventList(Listed):
    """Events, newest first: those of letters from their first attempt on."""

    data = fields.List(fields.Nested(EventSummary))


class ShownEvent(NamedEvent):
    """An event, and what it says."""

    type = fields.String(validate=one_of(*OURS))
    created_at = moment("When what it tells of happened.")
    status = fields.String(validate=one_of(*STATUSES))
    next_attempt_at = moment("When it is posted next, if it is.", allow_none=True)
    payload = fields.Dict(allow_none=True, metadata=told("What is posted. Null where its letter has been erased."))


class EventAttempt(Answer):
    """One post of an event."""

    id = fields.UUID()
    http_status_code = fields.Integer(metadata=told("The answer's status; 0 where there was none."))
    response = fields.String(metadata=told("The beginning of the answer's body, its control characters escaped."))
    sent_at = moment("When it was posted.")
    error = fields.String(allow_none=True, metadata=told("Why there was no answer, escaped as `response`."))
    duration_ms = fields.Integer(metadata=told("How many milliseconds it took."))


class EventAttemptList(Listed):
    __doc__ = f"Posts of an event, newest first: the last {MOST_POSTS}."

    data = fields.List(fields.Nested(EventAttempt))
