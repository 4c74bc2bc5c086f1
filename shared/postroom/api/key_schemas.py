"""What the requests about API keys take, and what they answer."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from postroom.account.key import MOST_NETWORKS, Permission, check_name, check_network
from postroom.api.answers import Answer, Deleted, Listed, moment, one_of, told
from postroom.api.fields import Items, Members, Text, Timestamp, accepted_by


class KeySchema(Members):
    """A key to make."""

    name = Text(required=True, validate=accepted_by(check_name), metadata={"description": "What it is for."})
    permission = Text(
        load_default=str(Permission.FULL_ACCESS),
        validate=validate.OneOf([str(each) for each in Permission], error="expected one of {choices}"),
        metadata={"description": "Whether it may do everything, or send and nothing else."},
    )
    domain_id = Text(metadata={"description": "The only sending domain that letters may come from, by its id."})
    expires_at = Timestamp(metadata={"description": "From this moment on it is no longer good."})
    allowed_addresses = Items(
        Text(validate=accepted_by(check_network), error_messages={"null": "expected a string, not null"}),
        load_default=(),
        most=MOST_NETWORKS,
        validate=validate.Length(min=1, error="nobody could use it: name a network, or leave it out"),
        metadata={"description": "Networks that it may be used from, in CIDR notation."},
    )

    @validates_schema(skip_on_field_errors=False)
    def _held_to_a_domain(self, data: dict[str, Any], **_: Any) -> None:
        if "domain_id" in data and data.get("permission") == Permission.FULL_ACCESS:
            flaw = "a key with full access can't be held to one domain; ask for the permission sending_access"
            raise ValidationError(flaw, "domain_id")


class KeyNameSchema(Members):
    """What may be changed of a key."""

    name = Text(required=True, validate=accepted_by(check_name), metadata={"description": "What it is for."})


class MadeKey(Answer):
    """The key is good from now on."""

    id = fields.UUID()
    token = fields.String(metadata=told("What clients show. It can't be read again.", examples=["pr_5F0q…"]))


class ShownKey(Answer):
    """A key, without its token."""

    id = fields.UUID()
    name = fields.String(metadata=told("What it is for."))
    created_at = moment("When it was made.")
    last_used_at = moment("When it was last used, to the hour. Null where it never was.", allow_none=True)
    permission = fields.String(validate=one_of(*Permission))
    domain_id = fields.UUID(allow_none=True, metadata=told("The only sending domain that letters may come from."))
    expires_at = moment("From when on it is no longer good.", allow_none=True)
    allowed_addresses = fields.List(
        fields.String(), metadata=told("Networks that it may be used from. Empty where it is good everywhere.")
    )


class KeyList(Listed):
    """Keys, newest first."""

    data = fields.List(fields.Nested(ShownKey))


class ChangedKey(Answer):
    """The key has its new name."""

    object = fields.String(validate=one_of("api_key"))
    id = fields.UUID()


class RevokedKey(ChangedKey, Deleted):
    """The key is revoked. Processes that remember it let it in until POSTROOM_CACHE is over."""
