"""Letters that were taken: `PATCH /emails/{id}`, `POST /emails/{id}/cancel` and `POST /emails/{id}/retry`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, request
from marshmallow import ValidationError, fields

from postroom.api.answers import Answer, one_of, told
from postroom.api.body import answer, read_object
from postroom.api.fields import Members
from postroom.api.operation import Access, Operation
from postroom.api.problems import Problem, invalid
from postroom.api.stored import Stored
from postroom.api.timing import ScheduledAt, scheduled_for
from postroom.change import Change, Pointless, TooLate
from postroom.delivery.submission import Submission


class RescheduleSchema(Members):
    """Another time for a letter. Clients repeat its id; the one in the path counts."""

    scheduled_at = ScheduledAt(required=True)


class ChangedEmail(Answer):
    """The letter that was changed."""

    object = fields.String(validate=one_of("email"))
    id = fields.UUID(metadata=told("The letter's id."))


class RetriedEmail(ChangedEmail):
    """The letter, and whom it is sent to once more."""

    recipients = fields.List(fields.String(), metadata=told("The addresses of those it is sent to once more."))


@dataclass(frozen=True, slots=True)
class Changes:
    """The views."""

    stored: Stored
    change: Change
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="PATCH",
            path="/emails/<uuid:id_>",
            view=self.reschedule,
            access=Access.FULL,
            summary="Give a scheduled letter another time.",
            takes=_RESCHEDULE,
            answers=ChangedEmail(),
        )
        yield Operation(
            method="POST",
            path="/emails/<uuid:id_>/cancel",
            view=self.cancel,
            access=Access.FULL,
            summary="Take back a letter that waits: it is never sent to those for whom nobody has begun to.",
            answers=ChangedEmail(),
            refuses=(422,),
        )
        yield Operation(
            method="POST",
            path="/emails/<uuid:id_>/retry",
            view=self.retry,
            access=Access.FULL,
            summary="Send a letter once more, now, to those whom it didn't reach or may not have reached.",
            answers=RetriedEmail(),
            refuses=(422,),
        )

    def reschedule(self, id_: UUID) -> Response:
        """PATCH /emails/{id}"""
        document = read_object(request)
        submission = self.stored.submission(id_)
        try:
            at = scheduled_for(_RESCHEDULE.load(document)["scheduled_at"], self.clock())
        except ValidationError as error:
            raise invalid(error.messages) from None
        except ValueError as error:
            raise invalid({"scheduled_at": [str(error)]}) from None
        with _told():
            self.change.reschedule(submission, at)
        return answer(_changed(submission))

    def cancel(self, id_: UUID) -> Response:
        """POST /emails/{id}/cancel"""
        submission = self.stored.submission(id_)
        with _told():
            self.change.cancel(submission)
        return answer(_changed(submission))

    def retry(self, id_: UUID) -> Response:
        """POST /emails/{id}/retry"""
        submission = self.stored.submission(id_)
        with _told():
            again = self.change.retry(submission)
        return answer({**_changed(submission), "recipients": [each.address for each in again]})


@contextmanager
def _told() -> Iterator[None]:
    """What can't be done, as the answer tells it."""
    try:
        yield
    except (TooLate, Pointless) as error:
        raise Problem("validation_error", str(error)) from None


def _changed(submission: Submission) -> dict[str, Any]:
    return {"object": "email", "id": submission.id}


_RESCHEDULE = RescheduleSchema()
