"""The suppression list over HTTP. An entry is named by its id or by its percent-encoded e-mail address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from postroom.account.suppression import Origin, Suppression
from postroom.api.body import answer, read_members
from postroom.api.operation import Access, Operation
from postroom.api.pages import as_id, page_of
from postroom.api.problems import not_found
from postroom.api.query import read_query
from postroom.api.suppression_schemas import (
    FormerSuppressionsSchema,
    ListSchema,
    NamedSuppression,
    NamedSuppressions,
    NewSuppressionSchema,
    NewSuppressionsSchema,
    RemovedSuppression,
    RemovedSuppressions,
    SuppressionListSchema,
    SuppressionSchema,
)
from postroom.message.address import InvalidAddress, Mailbox
from postroom.suppressions import Suppressions

_ADD, _ADD_MANY, _REMOVE_MANY, _LIST = (
    NewSuppressionSchema(),
    NewSuppressionsSchema(),
    FormerSuppressionsSchema(),
    ListSchema(),
)
_ONE = "/suppressions/<path:id_or_email>"  # a local part may hold a slash


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """The views of the resource."""

    suppressions: Suppressions

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/suppressions",
            view=self.add,
            access=Access.FULL,
            summary="Suppress an address: no letter is sent to it any more.",
            takes=_ADD,
            answers=NamedSuppression(),
            status=201,
        )
        yield Operation(
            method="GET",
            path="/suppressions",
            view=self.list,
            access=Access.FULL,
            summary="List suppressed addresses, newest first.",
            asks=_LIST,
            answers=SuppressionListSchema(),
        )
        yield Operation(
            method="GET",
            path=_ONE,
            view=self.get,
            access=Access.FULL,
            summary="Read one entry of the suppression list.",
            answers=SuppressionSchema(),
        )
        yield Operation(
            method="DELETE",
            path=_ONE,
            view=self.remove,
            access=Access.FULL,
            summary="Take an address off the suppression list.",
            answers=RemovedSuppression(),
        )
        yield Operation(
            method="POST",
            path="/suppressions/batch/add",
            view=self.add_many,
            access=Access.FULL,
            summary="Suppress several addresses.",
            takes=_ADD_MANY,
            answers=NamedSuppressions(),
            status=201,
        )
        yield Operation(
            method="POST",
            path="/suppressions/batch/remove",
            view=self.remove_many,
            access=Access.FULL,
            summary="Take several addresses off the suppression list.",
            takes=_REMOVE_MANY,
            answers=RemovedSuppressions(),
        )

    def add(self) -> Response:
        """POST /suppressions"""
        return answer(_named(self.suppressions.add(read_members(request, _ADD)["email"])), 201)

    def list(self) -> Response:
        """GET /suppressions"""
        origin = read_query(request, _LIST).get("origin")
        chosen = None if origin is None else Origin(origin)
        return answer(page_of(request, lambda cursor: self.suppressions.page(cursor, chosen), _shown))

    def get(self, id_or_email: str) -> Response:
        """GET /suppressions/{id or email}"""
        return answer(_shown(self._found(id_or_email)))

    def remove(self, id_or_email: str) -> Response:
        """DELETE /suppressions/{id or email}"""
        found = self._found(id_or_email)
        self.suppressions.remove(found)
        return answer(_removed(found))

    def add_many(self) -> Response:
        """POST /suppressions/batch/add"""
        added = self.suppressions.add_many(read_members(request, _ADD_MANY)["emails"])
        return answer({"data": [_named(each) for each in added]}, 201)

    def remove_many(self) -> Response:
        """POST /suppressions/batch/remove"""
        asked = read_members(request, _REMOVE_MANY)
        if "ids" in asked:
            removed = self.suppressions.remove_by_ids(asked["ids"])
        else:
            removed = self.suppressions.remove_by_addresses(asked["emails"])
        return answer({"data": [_removed(each) for each in removed]})

    def _found(self, id_or_email: str) -> Suppression:
        id_ = as_id(id_or_email)
        try:
            found = self.suppressions.by_id(id_) if id_ else self.suppressions.by_address(Mailbox.parse(id_or_email))
        except InvalidAddress:
            found = None
        if found is None:
            raise not_found("suppression with this id or e-mail address")
        return found


def _named(entry: Suppression) -> dict[str, Any]:
    return {"object": "suppression", "id": entry.id}


def _removed(entry: Suppression) -> dict[str, Any]:
    return {**_named(entry), "deleted": True}


def _shown(entry: Suppression) -> dict[str, Any]:
    return {**_named(entry), **entry.shown()}
