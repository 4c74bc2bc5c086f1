"""What the suppression list's requests take, and what they answer."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from postroom.account.suppression import Origin
from postroom.api.answers import Answer, Deleted, Listed, moment, one_of, told
from postroom.api.fields import Address, Items, Members, Text, Value
from postroom.api.pages import PageSchema, as_id
from postroom.api.problems import MISSING

MOST = 1000
"""Addresses of one batch: as many as a function changes within a few seconds, in every home."""

_EMAIL = "An e-mail address. It is kept, and looked up, with its ASCII letters in lower case."


class _Id(Value[str]):
    """The id of an entry."""

    def read(self, value: Any) -> str:
        id_ = as_id(value) if isinstance(value, str) else None
        if id_ is None:
            raise ValidationError("expected an entry's id, which is a UUID")
        return id_


class NewSuppressionSchema(Members):
    """One address to suppress."""

    email = Address(required=True, metadata={"description": _EMAIL})


def _batch(inner: fields.Field[Any], what: str, **options: Any) -> Items:
    return Items(
        inner,
        most=MOST,
        validate=validate.Length(min=1, error=f"it holds no items, and 1 to {MOST} may be given"),
        metadata={"description": what},
        **options,
    )


def _email() -> Address:
    return Address(error_messages={"null": "expected a string, not null"}, metadata={"description": _EMAIL})


class NewSuppressionsSchema(Members):
    """Addresses to suppress."""

    emails = _batch(_email(), "The addresses to put on the list.", required=True)


class FormerSuppressionsSchema(Members):
    """Entries to take off the list, by their addresses or by their ids."""

    emails = _batch(_email(), "The addresses to take off the list; not together with `ids`.")
    ids = _batch(
        _Id(error_messages={"null": "expected an entry's id, which is a UUID, not null"}),
        "The ids of the entries to take off the list; not together with `emails`.",
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _one_of_both(self, _data: Any, original: dict[str, Any], **_: Any) -> None:
        given = [name for name in ("emails", "ids") if original.get(name) is not None]
        if not given:
            raise ValidationError(MISSING, "emails` or `ids")  # the backticks of one path, around two
        if len(given) == 2:
            raise ValidationError("`emails` was given too, and one of the two names all that is to go", "ids")


class ListSchema(PageSchema):
    """Which part of the list is asked for."""

    origin = Text(
        validate=validate.OneOf(list(Origin), error="expected one of {choices}"),
        metadata={"description": "What brought an address onto the list."},
    )


class NamedSuppression(Answer):
    """An entry by its name alone."""

    object = fields.String(validate=one_of("suppression"))
    id = fields.UUID(metadata=told("The entry's id."))


class SuppressionSchema(NamedSuppression):
    """An entry of the list."""

    email = fields.String(metadata=told(_EMAIL))
    origin = fields.String(validate=one_of(*Origin), metadata=told("What brought it."))
    source_id = fields.UUID(
        allow_none=True,
        metadata=told("The e-mail that bounced or was complained about, null where it was put by hand."),
    )
    created_at = moment("When it was put on the list.")


class SuppressionListSchema(Listed):
    """A page of the list, newest first."""

    data = fields.List(fields.Nested(SuppressionSchema))


class RemovedSuppression(NamedSuppression, Deleted):
    """An entry that is off the list."""


class NamedSuppressions(Answer):
    """The entries of a batch. An address that was given twice has one, so they don't pair up with what was sent."""

    data = fields.List(fields.Nested(NamedSuppression))


class RemovedSuppressions(Answer):
    """The entries that were taken off the list. What wasn't on it is left out."""

    data = fields.List(fields.Nested(RemovedSuppression))
