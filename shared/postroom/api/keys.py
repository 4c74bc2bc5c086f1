"""API keys: `/api-keys`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from flask import Response, request
from marshmallow import ValidationError

from postroom.account.key import ApiKey, Permission, network
from postroom.api.body import answer, read_members, read_object
from postroom.api.key_schemas import ChangedKey, KeyList, KeyNameSchema, KeySchema, MadeKey, RevokedKey
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, as_id, page_of
from postroom.api.problems import invalid, not_found
from postroom.api.representation import moment
from postroom.domain_register import DomainRegister
from postroom.keys import Keys

_SCHEMA = KeySchema()
_NEW_NAME = KeyNameSchema()


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """The views of the resource.

    A key may revoke itself, and the last one with full access may be revoked: nothing stands in the way of revoking
    a key that has leaked, and `postroom keys create` makes another.
    """

    keys: Keys
    domains: DomainRegister
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/api-keys",
            view=self.create,
            access=Access.FULL,
            summary="Make a key.",
            takes=_SCHEMA,
            answers=MadeKey(),
            status=201,
        )
        yield Operation(
            method="GET",
            path="/api-keys",
            view=self.list,
            access=Access.FULL,
            summary="List keys, newest first.",
            asks=PageSchema(),
            answers=KeyList(),
        )
        yield Operation(
            method="PATCH",
            path="/api-keys/<uuid:id_>",
            view=self.rename,
            access=Access.FULL,
            summary="Give a key another name.",
            takes=_NEW_NAME,
            answers=ChangedKey(),
        )
        yield Operation(
            method="DELETE",
            path="/api-keys/<uuid:id_>",
            view=self.revoke,
            access=Access.FULL,
            summary="Revoke a key.",
            answers=RevokedKey(),
        )

    def create(self) -> Response:
        """POST /api-keys"""
        asked, now = self._checked(read_object(request)), self.clock()
        key = ApiKey(
            "",
            asked["name"],
            Permission(asked["permission"]),
            now,
            asked.get("domain_id"),
            asked.get("expires_at"),
            tuple(network(each) for each in asked["allowed_addresses"]),
        )
        made, token = self.keys.make(key, os.urandom)
        return answer({"id": made.id, "token": token}, 201)

    def list(self) -> Response:
        """GET /api-keys"""
        return answer(page_of(request, self.keys.page, shown))

    def rename(self, id_: UUID) -> Response:
        """PATCH /api-keys/{id}"""
        name = read_members(request, _NEW_NAME)["name"]
        if self.keys.rename(str(id_), name) is None:
            raise not_found("API key with this id")
        return answer({"object": "api_key", "id": str(id_)})

    def revoke(self, id_: UUID) -> Response:
        """DELETE /api-keys/{id}"""
        if not self.keys.revoke(str(id_)):
            raise not_found("API key with this id")
        return answer({"object": "api_key", "id": str(id_), "deleted": True})

    def _checked(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document as the schema reads it; raises `Problem` with everything that is wrong with it."""
        errors: dict[Any, Any] = {}
        try:
            asked = _SCHEMA.load(document)
        except ValidationError as error:
            asked, errors = error.valid_data, dict(error.messages_dict)
        if "domain_id" in asked and "domain_id" not in errors:
            asked["domain_id"] = as_id(asked["domain_id"])
            if asked["domain_id"] is None or not self.domains.has(asked["domain_id"]):
                errors["domain_id"] = ["there is no domain with this id"]
        if "expires_at" in asked and asked["expires_at"] <= self.clock():
            errors["expires_at"] = ["it has passed, so the key would never be good"]
        if errors:
            raise invalid(errors)
        return cast(dict[str, Any], asked)


def shown(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "created_at": moment(key.created_at),
        "last_used_at": moment(key.last_used_at),
        "permission": str(key.permission),
        "domain_id": key.domain_id,
        "expires_at": moment(key.expires_at),
        "allowed_addresses": [str(each) for each in key.networks],
    }
