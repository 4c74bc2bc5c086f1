"""What the operations on sending domains take and answer, member by member."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate

from postroom.account.dns_record import RecordStatus
from postroom.account.domain import ENFORCED, OPPORTUNISTIC
from postroom.api.answers import Answer, Deleted, Listed, moment, one_of, told
from postroom.api.fields import Flag, Members, Shape, Text
from postroom.api.pages import Limit, PageSchema

REGIONS = ("us-east-1", "eu-west-1", "sa-east-1", "ap-northeast-1")
"""Those that Resend's clients know. Here a region is a word that is kept, and the first is what others see without."""

STATUSES = ("not_started", "pending", "verified", "failed", "partially_verified", "partially_failed")

_LONGEST_NAME = 253


class Untracked(Flag):
    """Tracking, which isn't offered: it may be declined."""

    def shape(self) -> Shape:
        return {"type": "boolean", "enum": [False]}

    def read(self, value: Any) -> bool:
        if super().read(value):
            raise ValidationError("this deployment doesn't track; leave it out")
        return False


class DomainName(Text):
    """The name of a domain."""

    def shape(self) -> Shape:
        return {"type": "string", "format": "domain"}


def _one_of(*words: str) -> validate.OneOf:
    return validate.OneOf(words, error="expected one of {choices}")


def _only(word: str, why: str) -> validate.OneOf:
    return validate.OneOf((word,), error=f"{why}; only {word} can be asked for")


class CapabilitiesSchema(Members):
    """What a domain is for."""

    sending = Text(validate=_only("enabled", "sending is what a domain is kept for"), metadata=told("Letters leave."))
    receiving = Text(
        validate=_only("disabled", "this deployment takes no letters in"), metadata=told("Letters arrive.")
    )


class DomainChangesSchema(Members):
    """What may be changed of a sending domain."""

    tls = Text(
        validate=_one_of(OPPORTUNISTIC, ENFORCED),
        metadata=told("`enforced`: no letter of the domain ever goes in clear text."),
    )
    open_tracking = Untracked(metadata=told("Not offered."))
    click_tracking = Untracked(metadata=told("Not offered."))
    capabilities = fields.Nested(
        CapabilitiesSchema,
        error_messages={"null": "expected an object, not null"},
        metadata=told("What it is for."),
    )


class NewDomainSchema(DomainChangesSchema):
    """A domain to send from."""

    name = DomainName(
        required=True,
        validate=validate.Length(1, _LONGEST_NAME, error="a domain's name has {min} to {max} characters"),
        metadata=told("The domain, just as it stands in From: subdomains are domains of their own."),
    )
    region = Text(validate=_one_of(*REGIONS), metadata=told("A word that is kept; a deployment is where it is."))
    custom_return_path = Text(
        validate=[
            validate.Length(1, 63, error="a label has {min} to {max} characters"),
            validate.Regexp(r"[A-Za-z0-9.-]*\Z", error="it is a label of a domain's name, such as send"),
        ],
        metadata=told("The label of a domain below it, for MAIL FROM. It needs POSTROOM_RETURN_PATH_DOMAIN."),
    )
    ed25519 = Flag(load_default=False, metadata=told("Sign with an Ed25519 key besides RSA (RFC 8463)."))


class DomainPageSchema(PageSchema):
    """Which part of the domains is asked for."""

    limit = Limit(metadata=told("How many items, at most; where no part is asked for, all of them."))


class RotationSchema(Members):
    """How the keys of a sending domain are to be followed by others."""

    ed25519 = Flag(metadata=told("Whether there is to be an Ed25519 key; without it: where there is one."))


class DnsRecordSchema(Answer):
    """A record to publish."""

    record = fields.String(validate=one_of("DKIM", "SPF", "DMARC"), metadata=told("What it is for."))
    name = fields.String(metadata=told("Its name, written out whole.", examples=["send.example.com"]))
    type = fields.String(validate=one_of("TXT", "MX"))
    ttl = fields.String(validate=one_of("Auto"), metadata=told("Any will do."))
    status = fields.String(validate=one_of(*RecordStatus), metadata=told("What the last look showed."))
    value = fields.String(metadata=told("What to publish, in the place of what is there."))
    priority = fields.Integer(metadata=told("The preference of an MX; others have none.", optional=True))
    required = fields.Boolean(metadata=told("Without it no letter is taken."))
    note = fields.String(allow_none=True, metadata=told("What is particular about it."))
    detail = fields.String(allow_none=True, metadata=told("What the last look found wrong."))


class DomainCapabilities(Answer):
    """What the domain is for."""

    sending = fields.String(validate=one_of("enabled"))
    receiving = fields.String(validate=one_of("disabled"))


class DomainSummary(Answer):
    """A sending domain in a list."""

    id = fields.UUID()
    name = fields.String(metadata=told("The domain, as DNS knows it.", examples=["example.com"]))
    status = fields.String(
        validate=one_of(*STATUSES), metadata=told("Letters are taken while it is `verified`, or partially so.")
    )
    created_at = moment("When it was added.")
    region = fields.String(validate=one_of(*REGIONS), metadata=told("The word that was asked for."))
    capabilities = fields.Nested(DomainCapabilities)
    tls = fields.String(validate=one_of(OPPORTUNISTIC, ENFORCED), metadata=told("How much TLS its letters want."))
    open_tracking = fields.Boolean(metadata=told("False."))
    click_tracking = fields.Boolean(metadata=told("False."))


class CreatedDomain(DomainSummary):
    """A sending domain and what it is to publish."""

    records = fields.List(fields.Nested(DnsRecordSchema), metadata=told("Records to publish."))
    recommended = fields.List(fields.Nested(DnsRecordSchema), metadata=told("Others that receivers look for."))


class WholeDomain(CreatedDomain):
    """A sending domain, whole."""

    object = fields.String(validate=one_of("domain"))


class DomainList(Listed):
    """Sending domains, newest first."""

    data = fields.List(fields.Nested(DomainSummary))


class NamedDomain(Answer):
    """The domain that something was done to."""

    object = fields.String(validate=one_of("domain"))
    id = fields.UUID()


class DeletedDomain(NamedDomain, Deleted):
    """The domain from which no more letters are taken."""
