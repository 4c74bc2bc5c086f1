"""Letters that were taken: reading them back, and erasing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import UUID

from flask import Response, request

from postroom.api import representation
from postroom.api.answers import AttemptList, DeletedEmail, EmailList, StoredEmail
from postroom.api.body import answer
from postroom.api.files import octets
from postroom.api.filters import EmailsSchema, Filters, look_up, walk
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, cursor_of, further_than, page_of, shown, unknown_cursor
from postroom.api.problems import Problem, not_found
from postroom.api.query import read_query
from postroom.api.stored import Stored
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.erasing import StillSending
from postroom.outgoing import rendered
from postroom.ports import UnknownCursor

_EMAILS = EmailsSchema()


@dataclass(frozen=True, slots=True, kw_only=True)
class Emails:
    """The views of the resource."""

    stored: Stored
    under_key: Callable[[str], Iterator[Submission]]
    erase: Callable[[SubmissionId], bool]
    clock: Callable[[], datetime]

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path="/emails",
            view=self.list,
            access=Access.FULL,
            summary="List letters, newest first; of those that filters ask for, a page looks at 1,000 at most.",
            asks=_EMAILS,
            answers=EmailList(),
        )
        yield Operation(
            method="GET",
            path="/emails/<uuid:id_>",
            view=self.get,
            access=Access.FULL,
            summary="Read one letter.",
            answers=StoredEmail(),
        )
        yield Operation(
            method="DELETE",
            path="/emails/<uuid:id_>",
            view=self.delete,
            access=Access.FULL,
            summary="Erase a letter and its attempts; whoever hasn't got it yet doesn't get it.",
            answers=DeletedEmail(),
            refuses=(422,),
        )
        yield Operation(
            method="GET",
            path="/emails/<uuid:id_>/raw",
            view=self.raw,
            access=Access.FULL,
            summary="Read a letter's octets as they are sent, but without the DKIM-Signature that is put in front.",
            media_type="message/rfc822",
            refuses=(422,),
        )
        yield Operation(
            method="GET",
            path="/emails/<uuid:id_>/attempts",
            view=self.attempts,
            access=Access.FULL,
            summary="List the attempts at a letter, newest first.",
            asks=PageSchema(),
            answers=AttemptList(),
        )

    def get(self, id_: UUID) -> Response:
        """GET /emails/{id}"""
        submission = self.stored.submission(id_)
        return answer(representation.email(submission, self.stored.letter(submission.id)))

    def list(self) -> Response:
        """GET /emails"""
        asked = read_query(request, _EMAILS)
        cursor, filters = cursor_of(asked), Filters.asked(asked)
        try:
            if "idempotency_key" in asked:
                page, further = look_up(self.under_key(asked["idempotency_key"]), cursor, filters)
            elif filters == Filters():
                page = self.stored.submissions.list(cursor)
                further = further_than(page, cursor)
            else:
                page, further = walk(self.stored.submissions.list, cursor, filters)
        except UnknownCursor:
            raise unknown_cursor(asked) from None
        return answer(shown(page, representation.summary) | {"next": further})

    def delete(self, id_: UUID) -> Response:
        """DELETE /emails/{id}"""
        try:
            was_there = self.erase(SubmissionId(str(id_)))
        except StillSending as sending:
            seconds = ceil((sending.until - self.clock()).total_seconds())
            message = (
                "One of its recipients is being sent to at this moment. Repeat the request once that is over, in "
                f"{max(seconds, 1)} seconds at most."
            )
            raise Problem("validation_error", message) from None
        if not was_there:
            raise not_found("email with this id")
        return answer({"object": "email", "id": str(id_), "deleted": True})

    def raw(self, id_: UUID) -> Response:
        """GET /emails/{id}/raw"""
        submission = self.stored.submission(id_)
        letter = self.stored.letter(submission.id)
        if letter is None:
            raise not_found("letter of this email any more")
        if not letter.complete:
            raise Problem("validation_error", "Some of its files are still to be fetched. Ask again once it was sent.")
        date = submission.date_of(submission.parcels[0])
        try:
            return octets(rendered(letter, submission, date), "message/rfc822", f"{submission.id}.eml")
        except ValueError as error:
            raise Problem("validation_error", f"The letter can't be sent as it is: {error}.") from None

    def attempts(self, id_: UUID) -> Response:
        """GET /emails/{id}/attempts"""
        found = self.stored.submission(id_).id
        return answer(
            page_of(request, lambda cursor: self.stored.submissions.attempts(found, cursor), representation.attempt)
        )
