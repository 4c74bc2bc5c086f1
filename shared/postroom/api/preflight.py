"""`GET /preflight`: whether letters can leave, and what a recipient's domain publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from marshmallow import ValidationError

from postroom.api.answers import CheckList
from postroom.api.body import answer
from postroom.api.fields import Members, Value
from postroom.api.operation import Access, Operation
from postroom.api.query import read_query
from postroom.message.address import InvalidAddress, Mailbox
from postroom.preflight.check import Check


class Domain(Value[str]):
    """A domain, read into the form that DNS knows. What people have at hand is often an address of it: its domain."""

    def read(self, value: Any) -> str:
        try:
            return Mailbox.parse(value if "@" in value else f"postmaster@{value}").domain
        except InvalidAddress as error:
            raise ValidationError(str(error)) from None


class PreflightSchema(Members):
    """What is to be looked at."""

    domain = Domain(metadata={"description": "A recipient's domain.", "examples": ["example.net"]})


_SCHEMA = PreflightSchema()


@dataclass(frozen=True, slots=True)
class Preflights:
    """The view."""

    look: Callable[[str | None], Sequence[Check]]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path="/preflight",
            view=self.get,
            access=Access.FULL,
            summary="Look whether letters can leave, and what a recipient's domain publishes.",
            asks=_SCHEMA,
            answers=CheckList(),
        )

    def get(self) -> Response:
        """GET /preflight"""
        asked = read_query(request, _SCHEMA)
        return answer({"object": "list", "data": [shown(each) for each in self.look(asked.get("domain"))]})


def shown(check: Check) -> dict[str, str]:
    return {"check": check.check, "status": str(check.status), "detail": check.detail}
