"""Letters as they are stored, as far as anybody may still see them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from postroom.api.problems import not_found
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.message.letter import Letter
from postroom.ports import Submissions


@dataclass(frozen=True, slots=True)
class Stored:
    """What views of one letter begin with."""

    submissions: Submissions

    def submission(self, id_: UUID) -> Submission:
        """Raises `Problem` 404 where it isn't there, or is erased."""
        submission = self.submissions.get(SubmissionId(str(id_)))
        if submission is None or submission.erased:
            raise not_found("email with this id")
        return submission

    def letter(self, id_: SubmissionId) -> Letter | None:
        """None where it is gone, or damaged: that must not hide what became of it."""
        packed = self.submissions.letter(id_)
        try:
            return Letter.unpack(packed) if packed is not None else None
        except ValueError:
            return None
