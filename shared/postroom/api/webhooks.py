"""Webhooks: `/webhooks`. Their events, and what became of these, are in `webhook_events`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import Response, request

from postroom.account.standard_webhooks import written
from postroom.account.vault import VaultError
from postroom.account.webhook import MOST, State, Webhook
from postroom.api.body import answer, read_members
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, page_of, part_of, shown
from postroom.api.problems import Problem, invalid, not_found
from postroom.api.representation import moment
from postroom.api.webhook_schemas import (
    DeletedWebhook,
    MadeWebhook,
    NamedWebhook,
    WebhookChangesSchema,
    WebhookList,
    WebhookSchema,
    WholeWebhook,
)
from postroom.internet.endpoint import Endpoint
from postroom.internet.guard import Forbidden, Guard
from postroom.ports import Page
from postroom.webhooks import TooMany, Webhooks

ONE = "/webhooks/<uuid:id_>"
NO_WEBHOOK = "webhook with this id"

_NEW, _CHANGES = WebhookSchema(), WebhookChangesSchema()


@dataclass(frozen=True, slots=True)
class Hooks:
    """The views of the resource."""

    webhooks: Webhooks
    dialled: Guard  # what may be posted to

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="POST",
            path="/webhooks",
            view=self.create,
            access=Access.FULL,
            summary="Create a webhook: an endpoint that is told what happens.",
            takes=_NEW,
            answers=MadeWebhook(),
            status=201,
        )
        yield Operation(
            method="GET",
            path="/webhooks",
            view=self.list,
            access=Access.FULL,
            summary="List webhooks, newest first.",
            asks=PageSchema(),
            answers=WebhookList(),
        )
        yield Operation(
            method="GET",
            path=ONE,
            view=self.get,
            access=Access.FULL,
            summary="Read one webhook.",
            answers=WholeWebhook(),
        )
        yield Operation(
            method="PATCH",
            path=ONE,
            view=self.change,
            access=Access.FULL,
            summary="Change a webhook's endpoint, its types of events or its status.",
            takes=_CHANGES,
            answers=NamedWebhook(),
        )
        yield Operation(
            method="DELETE",
            path=ONE,
            view=self.remove,
            access=Access.FULL,
            summary="Delete a webhook and its log.",
            answers=DeletedWebhook(),
        )
        yield Operation(
            method="POST",
            path=f"{ONE}/signing-secret/rotate",
            view=self.rotate,
            access=Access.FULL,
            summary="Make a new signing secret; the old one signs along for 24 hours.",
            answers=MadeWebhook(),
        )

    def create(self) -> Response:
        """POST /webhooks"""
        asked = self._checked(read_members(request, _NEW))
        try:
            made, secret = self.webhooks.create(asked["endpoint"], asked["events"])
        except TooMany:
            message = f"There are {MOST} webhooks, and no more may be: delete one that isn't needed."
            raise Problem("validation_error", message) from None
        return answer({"object": "webhook", "id": made.id, "signing_secret": written(secret)}, 201)

    def list(self) -> Response:
        """GET /webhooks"""
        there = self.webhooks.all()
        if PageSchema().fields.keys().isdisjoint(request.args):  # clients ask for all of these few in one request
            return answer(shown(Page(tuple(there), has_more=False), _shown))
        return answer(page_of(request, lambda cursor: part_of(there, cursor, lambda each: each.id), _shown))

    def get(self, id_: UUID) -> Response:
        """GET /webhooks/{id}"""
        found = self.webhooks.read(str(id_))
        if found is None:
            raise not_found(NO_WEBHOOK)
        return answer({**_shown(found), "signing_secret": self._secret(found)})

    def change(self, id_: UUID) -> Response:
        """PATCH /webhooks/{id}"""
        asked = self._checked(read_members(request, _CHANGES))
        status = State(asked["status"]) if "status" in asked else None
        changed = self.webhooks.change(
            str(id_), endpoint=asked.get("endpoint"), events=asked.get("events"), status=status
        )
        if changed is None:
            raise not_found(NO_WEBHOOK)
        return answer({"object": "webhook", "id": str(id_)})

    def remove(self, id_: UUID) -> Response:
        """DELETE /webhooks/{id}"""
        if not self.webhooks.remove(str(id_)):
            raise not_found(NO_WEBHOOK)
        return answer({"object": "webhook", "id": str(id_), "deleted": True})

    def rotate(self, id_: UUID) -> Response:
        """POST /webhooks/{id}/signing-secret/rotate"""
        secret = self.webhooks.rotate(str(id_))
        if secret is None:
            raise not_found(NO_WEBHOOK)
        return answer({"object": "webhook", "id": str(id_), "signing_secret": written(secret)})

    def _checked(self, asked: dict[str, Any]) -> Mapping[str, Any]:
        if "endpoint" not in asked:
            return asked
        endpoint = Endpoint.parse(asked["endpoint"])
        if not (endpoint.secure or self.dialled.names_networks):
            text = "it must begin with https://; http is for hosts in networks that POSTROOM_DIAL_ALLOW names"
            raise invalid({"endpoint": [text]})
        try:
            endpoint.check(self.dialled)
        except Forbidden as error:
            raise invalid({"endpoint": [str(error)]}) from None
        return asked

    def _secret(self, webhook: Webhook) -> str | None:
        try:
            return written(self.webhooks.signing_secrets(replace(webhook, secret_ends_at=None))[0])
        except VaultError:
            return None


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        "object": "webhook",
        "id": webhook.id,
        "created_at": moment(webhook.created_at),
        "status": str(webhook.status),
        "endpoint": webhook.endpoint,
        "events": list(webhook.events),
        "disabled_reason": webhook.why,
    }
