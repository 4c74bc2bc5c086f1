"""What a webhook was told, and is: `/webhooks/{id}/events` and `/webhooks/{id}/test`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Response, request

from postroom.account.event import Event, Post, Told
from postroom.account.webhook import Webhook
from postroom.api.body import answer, read_members_given
from postroom.api.operation import Access, Operation
from postroom.api.pages import page_of, part_of
from postroom.api.problems import Problem, invalid, not_found
from postroom.api.representation import moment
from postroom.api.webhook_schemas import (
    EventAttemptList,
    EventList,
    NamedEvent,
    OlderPageSchema,
    ShownEvent,
    TestEventSchema,
)
from postroom.api.webhooks import NO_WEBHOOK, ONE
from postroom.delivery.record import uuid8
from postroom.event_log import EventLog
from postroom.ports import Cursor, Page
from postroom.trying import Disabled, NotWanted, Trying
from postroom.webhooks import Webhooks

_PAGE, _TEST = OlderPageSchema(), TestEventSchema()
_EVENTS = f"{ONE}/events"
_EVENT = f"{_EVENTS}/<uuid:event_id>"


@dataclass(frozen=True, slots=True)
class WebhookEvents:
    """The views of the resource."""

    webhooks: Webhooks
    log: EventLog
    trying: Trying
    body: Callable[[Event], bytes | None]  # what is posted, as long as the letter is there

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path=_EVENTS,
            view=self.list,
            access=Access.FULL,
            summary="List a webhook's events, newest first.",
            asks=_PAGE,
            answers=EventList(),
        )
        yield Operation(
            method="GET",
            path=_EVENT,
            view=self.get,
            access=Access.FULL,
            summary="Read one event.",
            answers=ShownEvent(),
        )
        yield Operation(
            method="GET",
            path=f"{_EVENT}/attempts",
            view=self.attempts,
            access=Access.FULL,
            summary="List the posts of an event, newest first.",
            asks=_PAGE,
            answers=EventAttemptList(),
        )
        yield Operation(
            method="POST",
            path=f"{_EVENT}/replay",
            view=self.replay,
            access=Access.FULL,
            summary="Post an event once more, under the same id.",
            answers=NamedEvent(),
            refuses=(422,),
        )
        yield Operation(
            method="POST",
            path=f"{ONE}/test",
            view=self.test,
            access=Access.FULL,
            summary="Post a sample event, of which nothing has happened.",
            takes=_TEST,
            needs_body=False,
            answers=NamedEvent(),
            status=201,
        )

    def list(self, id_: UUID) -> Response:
        """GET /webhooks/{id}/events"""
        return answer(page_of(request, lambda cursor: self.log.page(self._webhook(id_).id, cursor), _summary, _PAGE))

    def get(self, id_: UUID, event_id: UUID) -> Response:
        """GET /webhooks/{id}/events/{event_id}"""
        event = self._event(id_, event_id)
        body = self.body(event)
        return answer(
            {
                "object": "webhook_event",
                **_summary(event),
                "next_attempt_at": moment(event.next_attempt_at),
                "payload": None if body is None else json.loads(body),
            }
        )

    def attempts(self, id_: UUID, event_id: UUID) -> Response:
        """GET /webhooks/{id}/events/{event_id}/attempts"""

        def made(cursor: Cursor) -> Page[dict[str, Any]]:
            event = self._event(id_, event_id)
            attempts = [_attempt(event, post) for post in reversed(event.posts)]
            return part_of(attempts, cursor, lambda each: str(each["id"]))

        return answer(page_of(request, made, dict, _PAGE))

    def replay(self, id_: UUID, event_id: UUID) -> Response:
        """POST /webhooks/{id}/events/{event_id}/replay"""
        if self.body(self._event(id_, event_id)) is None:
            text = "The event's letter has been erased, and with it what the event said: there is nothing to post."
            raise Problem("validation_error", text)
        try:
            event = self.trying.replay(self._webhook(id_), str(event_id))
        except Disabled:
            raise _disabled() from None
        if event is None:
            raise _no_event()
        return answer({"object": "webhook_event", "id": event.id})

    def test(self, id_: UUID) -> Response:
        """POST /webhooks/{id}/test"""
        asked = read_members_given(request, _TEST)
        try:
            event = self.trying.test(self._webhook(id_), asked.get("type"))
        except Disabled:
            raise _disabled() from None
        except NotWanted as error:
            raise invalid({"type": [str(error)]}) from None
        return answer({"object": "webhook_event", "id": event.id}, 201)

    def _webhook(self, id_: UUID) -> Webhook:
        found = self.webhooks.read(str(id_))
        if found is None:
            raise not_found(NO_WEBHOOK)
        return found

    def _event(self, id_: UUID, event_id: UUID) -> Event:
        found = self.log.get(self._webhook(id_).id, str(event_id))
        if found is None:
            raise _no_event()
        return found


def _no_event() -> Problem:
    return not_found("event with this id in the webhook's log")


def _disabled() -> Problem:
    return Problem("validation_error", "The webhook is disabled: set its `status` to `enabled` before it is told more.")


def _summary(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "created_at": moment(event.created_at),
        "status": _status(event),
    }


def _status(event: Event) -> str:
    match event.status:
        case Told.DELIVERED:
            return "success"
        case Told.FAILED:
            return "failed"
        case _:
            return "attempting" if event.tries else "pending"


def _attempt(event: Event, post: Post) -> dict[str, Any]:
    return {
        "id": uuid8(hashlib.sha256(f"{event.id}/{post.sent_at.isoformat()}".encode()).digest()),
        "http_status_code": post.status or 0,
        "response": post.response or "",
        "sent_at": moment(post.sent_at),
        "error": post.why,
        "duration_ms": post.milliseconds,
    }
