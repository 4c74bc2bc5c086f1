"""Letters that were taken: reading them back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from flask import Response, request

from postroom.api import representation
from postroom.api.answers import AttemptList, EmailList, StoredEmail
from postroom.api.body import answer
from postroom.api.operation import Access, Operation
from postroom.api.pages import PageSchema, page_of
from postroom.api.problems import not_found
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.message.letter import Letter
from postroom.ports import Submissions


@dataclass(frozen=True, slots=True)
class Emails:
    """The views of the resource."""

    submissions: Submissions

    def operations(self) -> Iterator[Operation]:
        yield Operation(
            method="GET",
            path="/emails",
            view=self.list,
            access=Access.FULL,
            summary="List letters, newest first.",
            asks=PageSchema(),
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
        submission = self._submission(id_)
        packed = self.submissions.letter(submission.id)
        try:
            letter = Letter.unpack(packed) if packed is not None else None
        except ValueError:  # a file that was damaged must not hide what became of the letter
            letter = None
        return answer(representation.email(submission, letter))

    def list(self) -> Response:
        """GET /emails"""
        return answer(page_of(request, self.submissions.list, representation.summary))

    def attempts(self, id_: UUID) -> Response:
        """GET /emails/{id}/attempts"""
        found = self._submission(id_).id
        return answer(page_of(request, lambda cursor: self.submissions.attempts(found, cursor), representation.attempt))

    def _submission(self, id_: UUID) -> Submission:
        submission = self.submissions.get(SubmissionId(str(id_)))
        if submission is None:
            raise not_found("email with this id")
        return submission
