"""What the requests about templates take, and what they answer."""

from __future__ import annotations

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from postroom.account.template import LONGEST_KEY, MOST_VARIABLES, RESERVED
from postroom.api.answers import Answer, Deleted, Listed, moment, one_of, told
from postroom.api.body import kind
from postroom.api.fields import (
    ONE_LINE,
    VARIABLE_NAME,
    Address,
    Addresses,
    Items,
    Members,
    Shape,
    Text,
    Value,
    accepted_by,
)
from postroom.api.pages import as_id
from postroom.api.schemas import LONGEST_SUBJECT, MOST_RECIPIENTS
from postroom.message.letter import check_text

TYPES = ("string", "number")
LONGEST_NAME = 100
_LONGEST_FALLBACK = 2000
_LARGEST_FALLBACK = 10**15


class _Fallback(Value[str | int | float]):
    """What stands in for a value that a letter doesn't give."""

    def shape(self) -> Shape:
        return {"anyOf": [{"type": "string", "maxLength": _LONGEST_FALLBACK, "pattern": ONE_LINE}, {"type": "number"}]}

    def read(self, value: Any) -> str | int | float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValidationError(f"expected a string or a number, not {kind(value)}")
        if not isinstance(value, str):
            if abs(value) > _LARGEST_FALLBACK:
                raise ValidationError("it is larger than 10^15")
            return value
        return _FALLBACK_TEXT.deserialize(value)


_FALLBACK_TEXT = Text(
    validate=[
        validate.Length(max=_LONGEST_FALLBACK, error="it is longer than {max} characters"),
        accepted_by(check_text, pattern=ONE_LINE),
    ]
)


def _not_reserved(key: str) -> None:
    if key in RESERVED:
        raise ValueError("this name means something in templates already")


def _no_id(alias: str) -> None:
    if as_id(alias) is not None:
        raise ValueError("an alias that looks like an id would hide the template of that id")


class VariableSchema(Members):
    """A variable that letters fill in."""

    key = Text(
        required=True,
        validate=[
            validate.Length(1, LONGEST_KEY, error="a variable's name has {min} to {max} characters"),
            validate.Regexp(
                VARIABLE_NAME[:-1] + r"\Z",
                error="a variable's name is made of ASCII letters, digits and `_`, a letter first",
            ),
            accepted_by(_not_reserved),
        ],
        metadata={"description": "Its name, as it stands between the braces.", "examples": ["FIRST_NAME"]},
    )
    type = Text(
        required=True,
        validate=validate.OneOf(TYPES, error="expected one of {choices}"),
        metadata={"description": "What its values are."},
    )
    fallback_value = _Fallback(
        metadata={"description": "What a letter without a value gets. Where there is none, a letter must give one."}
    )

    @validates_schema
    def _fallback_suits(self, data: dict[str, Any], **_: Any) -> None:
        if "fallback_value" in data and isinstance(data["fallback_value"], str) != (data["type"] == "string"):
            raise ValidationError(f"the variable is a {data['type']}, and this isn't one", "fallback_value")


class ChangedTemplateSchema(Members):
    """What may be changed of a template: a new draft, which letters are made of once it is published."""

    name = Text(
        validate=[
            validate.Length(1, LONGEST_NAME, error="a template's name has {min} to {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={"description": "What it is called by those who edit it.", "examples": ["Welcome"]},
    )
    alias = Text(
        validate=[
            validate.Regexp(
                r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
                error="an alias is made of 1 to 100 ASCII letters, digits, `.`, `_` and `-`, a letter or a digit first",
            ),
            accepted_by(_no_id),
        ],
        metadata={"description": "What letters may name it by instead of its id; no two templates have the same."},
    )
    sender = Address(data_key="from", metadata={"description": "Whom letters are from that don't say it themselves."})
    subject = Text(
        validate=[
            validate.Length(max=LONGEST_SUBJECT, error="it is longer than {max} characters"),
            accepted_by(check_text, pattern=ONE_LINE),
        ],
        metadata={"description": "What letters are about that don't say it themselves. May hold variables."},
    )
    reply_to = Addresses(most=MOST_RECIPIENTS, metadata={"description": "Whom answers go to, unless a letter says."})
    html = Text(
        validate=validate.Length(1, error="it is empty"),
        metadata={"description": "The letter as HTML, with `{{ NAME }}` or `{{{NAME}}}` where a variable goes."},
    )
    text = Text(
        metadata={
            "description": "The letter as plain text. Where it is left out it is made from `html`; empty, none is."
        }
    )
    variables = Items(
        fields.Nested(VariableSchema, error_messages={"null": "expected an object, not null"}),
        most=MOST_VARIABLES,
        key=("key", lambda variable: variable["key"]),
        metadata={"description": "What letters fill in. Those that aren't declared may be used as well."},
    )


class TemplateSchema(ChangedTemplateSchema):
    """A template to store. It is a draft until it is published."""

    example: ClassVar[dict[str, Any]] = {
        "name": "Welcome",
        "alias": "welcome",
        "subject": "Welcome, {{ NAME }}",
        "html": "<p>Hello {{ NAME }}, it works.</p>",
        "variables": [{"key": "NAME", "type": "string", "fallback_value": "friend"}],
    }

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        if field_name in ("name", "html"):
            field_obj.required = True


class NamedTemplate(Answer):
    """A template by its name alone."""

    object = fields.String(validate=one_of("template"))
    id = fields.UUID(metadata=told("The template's id."))


class TemplateSummary(Answer):
    """A template, without what it holds."""

    id = fields.UUID(metadata=told("The template's id."))
    name = fields.String(metadata=told("What it is called."))
    alias = fields.String(allow_none=True, metadata=told("What letters may name it by."))
    status = fields.String(validate=one_of("draft", "published"), metadata=told("Whether letters can be made of it."))
    published_at = moment("When it was last published.", allow_none=True)
    created_at = moment("When it was stored.")
    updated_at = moment("When it was last changed.")


class StoredVariable(Answer):
    """A variable that letters fill in."""

    key = fields.String(metadata=told("Its name."))
    type = fields.String(validate=one_of(*TYPES))
    fallback_value = fields.Raw(
        metadata=told(
            "What a letter without a value gets. Null where it must give one.",
            anyOf=[{"type": "string"}, {"type": "number"}, {"type": "null"}],
        )
    )
    created_at = moment("When it was declared.")
    updated_at = moment("When it was last changed.")


class StoredTemplate(TemplateSummary):
    """A template with its newest version, which letters are made of only where it is published."""

    object = fields.String(validate=one_of("template"))
    has_unpublished_versions = fields.Boolean(metadata=told("Whether this isn't yet what letters are made of."))
    current_version_id = fields.UUID(metadata=told("The id of this version."))
    sender = fields.String(data_key="from", allow_none=True, metadata=told("Whom letters are from."))
    subject = fields.String(allow_none=True, metadata=told("What they are about."))
    reply_to = fields.List(fields.String(), metadata=told("Whom answers go to."))
    html = fields.String(metadata=told("The letter as HTML."))
    text = fields.String(
        allow_none=True, metadata=told("The letter as plain text. Null where it is made from the HTML.")
    )
    variables = fields.List(fields.Nested(StoredVariable))


class TemplateList(Listed):
    """Templates, newest first."""

    data = fields.List(fields.Nested(TemplateSummary))


class RemovedTemplate(NamedTemplate, Deleted):
    """The template is deleted. Letters that were made of it go as they are."""
