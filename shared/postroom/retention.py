"""Retention: what is old enough is erased, the same way in every home, as a part of each sweep.

A letter is met once, in the order of creation. One that must stay, since it isn't over or was to be sent late, is noted
for later. A letter's content goes at its time; its head, where it has an idempotency key, not before a repeat under the
key could no longer be taken for it. It may stop anywhere and run twice at once: what is purged twice is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.erasing import NOTE
from postroom.idempotency import SUPERSEDED, WINDOW, is_keyed
from postroom.leftovers import Leftovers, Place
from postroom.ports import Directory, Mark, Submissions
from postroom.sweep import due_notes, leave_note

LOOK_AGAIN = timedelta(days=1)
"""At most after which a letter is looked at again that isn't over."""

RESCUE = timedelta(hours=1)
"""After which another run purges what one was about to."""

_PAGE = 100  # submissions read at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Removes what is older than `keep`. Raises `Unavailable`; the next run goes on."""

    submissions: Submissions
    directory: Directory
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    identify: Callable[[], str]  # a new name for each note
    keep: timedelta
    seconds: float  # that one run may take
    events: Callable[[Callable[[], bool]], int] | None = None  # removes old ones while there is time
    most: int = 20_000  # submissions that one run may read

    def __call__(self) -> int:
        """How many were purged or erased."""
        run, begun = _Run(self, self.clock()), self.monotonic()
        run.recall()
        # Each half is sure of its share, or a long walk would keep the notes waiting for ever.
        run.walk(lambda: self.monotonic() - begun < self.seconds / 2)
        run.follow(lambda: self.monotonic() - begun < self.seconds)
        run.tidy()
        if self.events is not None:
            run.gone += self.events(lambda: self.monotonic() - begun < self.seconds)
        return run.gone


@dataclass(slots=True)
class _Run:
    """One run, at one moment."""

    house: Retention
    now: datetime
    mark: Mark | None = None
    tidied: Place | None = None
    gone: int = 0
    later: defaultdict[datetime, list[SubmissionId]] = field(default_factory=lambda: defaultdict(list))

    def recall(self) -> None:
        stored = self.house.directory.get("sweep", "retention")
        if stored is None:
            return
        self.tidied = Place.from_record(stored["tidied"]) if stored["tidied"] else None
        if stored["id"] is not None:
            self.mark = Mark(datetime.fromisoformat(stored["created_at"]), stored["id"])

    def walk(self, time_left: Callable[[], bool]) -> None:
        """Meet each that was created long enough ago, from where the last run stopped."""
        read = 0
        while time_left() and read < self.house.most / 2:
            page = self.house.submissions.created_since(self.mark, self.now - self.house.keep, _PAGE)
            read += len(page)
            if page:
                self._handle_safely(page)
                self.mark = Mark(page[-1].created_at, page[-1].id)
                self._remember()
            if len(page) < _PAGE:
                return

    def follow(self, time_left: Callable[[], bool]) -> None:
        """Look at those again whose time was still to come."""
        read = 0
        for key, ids in due_notes(self.house.directory, self.now, NOTE):
            if not time_left() or read >= self.house.most / 2:
                return
            read += len(ids)
            found = [self.house.submissions.get(id_) for id_ in ids]
            self._handle([each for each in found if each is not None])
            self.house.directory.delete(NOTE, key)

    def tidy(self) -> None:
        """What else nobody would ever remove."""
        before, self.tidied = self.tidied, Leftovers(self.house.directory)(self.tidied, self.now)
        if self.tidied != before:
            self._remember()

    def _handle_safely(self, page: Sequence[Submission]) -> None:
        """By a note: who dies in the middle may have taken the record by which the walk would find the rest."""
        ids = [each.id for each in page]
        rescue = leave_note(self.house.directory, self.now + RESCUE, ids, self.house.identify(), NOTE)
        self._handle(page)
        self.house.directory.delete(NOTE, rescue)

    def _handle(self, page: Sequence[Submission]) -> None:
        over = [each for each in page if self._is_over(each)]
        held = self._held(over)
        for submission in over:
            self._remove(submission, held.get(submission.id))
        for at, ids in self.later.items():
            leave_note(self.house.directory, at, ids, self.house.identify(), NOTE)
        self.later.clear()

    def _is_over(self, submission: Submission) -> bool:
        """Whether nothing of it is wanted any more; else it is noted when to look again."""
        if submission.erased:
            return True
        if any(parcel.open or parcel.lease is not None for parcel in submission.parcels):
            self.later[self.now + min(self.house.keep, LOOK_AGAIN)].append(submission.id)
            return False
        ends = max(map(submission.due_since, submission.parcels), default=submission.created_at) + self.house.keep
        if ends > self.now:
            self.later[ends].append(submission.id)
        return ends <= self.now

    def _held(self, page: Sequence[Submission]) -> dict[str, datetime]:
        """Until when the ids must stay taken whose idempotency keys were used anew since."""
        keyed = [each.id for each in page if is_keyed(each.id)]
        found = self.house.directory.get_many(SUPERSEDED, keyed) if keyed else {}
        return {id_: datetime.fromisoformat(document["until"]) for id_, document in found.items()}

    def _remove(self, submission: Submission, held: datetime | None) -> None:
        ends = submission.created_at
        if is_keyed(submission.id):
            ends += WINDOW
        ends = ends if held is None else max(ends, held)
        if ends <= self.now:
            self.house.submissions.purge(submission.id)
        else:
            self.later[ends].append(submission.id)
            if submission.erased:
                return
            self.house.submissions.erase(submission.stripped())
        self.gone += 1

    def _remember(self) -> None:
        document = {
            "created_at": self.mark and self.mark.created_at.isoformat(),
            "id": self.mark and self.mark.id,
            "tidied": self.tidied and self.tidied.record(),
        }
        self.house.directory.put("sweep", "retention", document)
