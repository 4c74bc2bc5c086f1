"""The second net: the use case of functions/sweep.

A queue can lose a task or give up on it, and a crash can come between a letter's record and its task. The sweep walks
the submissions by their creation, each once, and puts a task for what should have moved and hasn't. What isn't due yet
it notes for later, so that nothing needs an index that every write would pay for. It may stop anywhere and run twice at
once: tasks put twice are sorted out by the claim, notes taken twice are followed twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask
from postroom.ports import Directory, Mark, Schedule, Submissions, Unavailable

LOOK_AGAIN = timedelta(hours=1)
"""After what was put back is looked at again: its queue may be far behind, and copies would only lengthen it."""

_PAGE = 200  # submissions read at a time
_IN_A_NOTE = 500  # ids in one document
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Swept:
    """What one run did."""

    walked: int = 0  # submissions met on the walk
    followed: int = 0  # submissions looked at because a note said so
    put_back: int = 0  # parcels that got a new task
    caught_up: bool = True  # whether nothing that was due is left for the next run


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Finds what was stranded and puts it back.

    Raises `Unavailable` where the home fails, and at the end of a run where a queue did: one queue that is away keeps
    nobody from the others. What couldn't be put is noted, and a later run tries again.
    """

    submissions: Submissions
    schedule: Schedule
    directory: Directory
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    identify: Callable[[], str]  # a new name for each note
    after: timedelta  # how late something must be before it counts as stranded
    seconds: float  # that one run may take
    most: int = 50_000  # submissions that one run may read

    def __call__(self) -> Swept:
        run = _Run(self, self.clock())
        begun = self.monotonic()
        # Each half is sure of its share, or a long walk would keep the notes waiting for ever.
        run.walk(lambda: self.monotonic() - begun < self.seconds / 2)
        run.follow(lambda: self.monotonic() - begun < self.seconds)
        for trouble in run.away.values():
            raise trouble
        return run.swept


@dataclass(slots=True)
class _Run:
    """One run, at one moment."""

    house: Sweep
    now: datetime
    swept: Swept = field(default_factory=Swept)
    away: dict[str, Unavailable] = field(default_factory=dict)  # queues that took nothing, and why
    later: defaultdict[datetime, list[SubmissionId]] = field(default_factory=lambda: defaultdict(list))

    def walk(self, time_left: Callable[[], bool]) -> None:
        """Meet every submission that is old enough, from where the last run stopped."""
        house, until = self.house, self.now - self.house.after
        mark = _mark(house.directory)
        while time_left() and self.swept.walked < house.most / 2:
            page = house.submissions.created_since(mark, until, _PAGE)
            for submission in page:
                self._look(submission)
            self.swept.walked += len(page)
            if page:
                mark = Mark(page[-1].created_at, page[-1].id)
                # The notes first: a crash in between takes them twice, and loses none.
                self._take_notes()
                house.directory.put("sweep", "mark", {"created_at": mark.created_at.isoformat(), "id": mark.id})
            if len(page) < _PAGE:
                return
        self.swept.caught_up = False

    def follow(self, time_left: Callable[[], bool]) -> None:
        """Look again at what notes tell of, once their time has come."""
        house = self.house
        met: set[SubmissionId] = set()
        for key, ids in self._notes():
            if not time_left() or self.swept.followed >= house.most / 2:
                self.swept.caught_up = False
                return
            for id_ in ids:
                if id_ not in met:
                    met.add(id_)
                    submission = house.submissions.get(id_)
                    if submission is not None:
                        self._look(submission)
                    self.swept.followed += 1
            self._take_notes()
            house.directory.delete("sweep_note", key)

    def _look(self, submission: Submission) -> None:
        """Put back what should have moved, and note when to look again at what is still open."""
        again: list[datetime] = []
        for parcel in submission.parcels:
            if not parcel.open:
                continue
            stranded_at = _moves_at(submission, parcel) + self.house.after
            if stranded_at > self.now:
                again.append(stranded_at)
                continue
            # The name of a rescue says when it was: no tombstone swallows it, and two runs at once put the same.
            generation = max(parcel.generation + 1, (self.now - _EPOCH) // timedelta(minutes=1))
            put = self._put(parcel.task(generation))
            self.swept.put_back += put
            again.append(self.now + (LOOK_AGAIN if put else self.house.after))
        if again:
            self.later[self._opens(min(again))].append(submission.id)

    def _put(self, task: DeliveryTask) -> bool:
        """Whether its queue took it. One that failed isn't asked again in this run."""
        if task.queue in self.away:
            return False
        try:
            self.house.schedule.put(task, self.now)
        except Unavailable as error:
            self.away[task.queue] = error
            return False
        return True

    def _opens(self, at: datetime) -> datetime:
        """When the note is due that tells of `at`: what is due within the same stretch shares a document."""
        return _EPOCH + -((_EPOCH - at) // self.house.after) * self.house.after

    def _take_notes(self) -> None:
        for at, ids in self.later.items():
            for start in range(0, len(ids), _IN_A_NOTE):
                key = f"{at:%Y-%m-%dT%H:%M:%S.%f}/{self.house.identify()}"
                self.house.directory.create("sweep_note", key, {"submissions": ids[start : start + _IN_A_NOTE]})
        self.later.clear()

    def _notes(self) -> Iterator[tuple[str, list[SubmissionId]]]:
        """The notes that are due, the oldest first."""
        due, after = f"{self.now:%Y-%m-%dT%H:%M:%S.%f}", ""
        while page := self.house.directory.list("sweep_note", after):
            for key, note in page:
                if key.partition("/")[0] > due:
                    return
                yield key, [SubmissionId(each) for each in note["submissions"]]
            after = page[-1][0]


def _mark(directory: Directory) -> Mark | None:
    stored = directory.get("sweep", "mark")
    return None if stored is None else Mark(datetime.fromisoformat(stored["created_at"]), stored["id"])


def _moves_at(submission: Submission, parcel: Parcel) -> datetime:
    """When the parcel's next step is due: the end of its claim, or its next attempt."""
    if parcel.lease is not None:
        return parcel.lease.until
    return parcel.next_attempt_at or submission.date
