"""The second net: the use case of functions/sweep.

A queue can lose a task or give up on it, and a crash can come between a letter's record and its task. The sweep walks
the submissions by their creation, each once, and puts a task for what should have moved and hasn't, unless its queue is
only behind: copies of all that wait would use up its rate, and it would never recover. What isn't due yet it notes for
later, so that nothing needs an index that every write would pay for. So it does with news that a webhook still waits
for, whether its parcel is open or not. It may stop anywhere and run twice at
once: tasks put twice are sorted out by the claim, notes taken twice are followed twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postroom.catalog import every
from postroom.delivery.news import news_since
from postroom.delivery.notice import QUEUE, notices
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import EPOCH, SubmissionId
from postroom.delivery.submission import Submission
from postroom.ports import Directory, Mark, Schedule, Submissions, Unavailable

LOOK_AGAIN = timedelta(hours=1)
"""After which a letter is looked at again that was put back, or at the latest one whose queue seems to be behind."""

PROBES = 5
"""Tasks that are out at a time in a queue that seems to be behind: once one has run, what was due before it is lost."""

LOOK_BACK = timedelta(days=1)
"""From where the walk begins where its mark lies ahead of the clock, which must have been wrong then."""

NOTE = "sweep_note"

_PAGE = 200  # submissions read at a time
_IN_A_NOTE = 500  # ids in one document


@dataclass(slots=True, kw_only=True)
class Swept:
    """What one run did."""

    walked: int = 0  # submissions met on the walk
    followed: int = 0  # submissions looked at because a note said so
    put_back: int = 0  # parcels that got a new task
    told: int = 0  # parcels and events that webhooks should have been told of, and that got a notice
    caught_up: bool = True  # whether nothing that was due is left for the next run
    gone: int = 0  # letters that were old enough to be erased


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
    announced: Callable[[], int] = lambda: 0  # puts notices of events that are no letter's, and tells of how many
    retention: Callable[[], int] = lambda: 0  # erases what is old enough, and tells how much that was

    def __call__(self) -> Swept:
        run = _Run(self, self.clock())
        run.recall()
        begun = self.monotonic()
        # Each half is sure of its share, or a long walk would keep the notes waiting for ever.
        run.walk(lambda: self.monotonic() - begun < self.seconds / 2)
        run.follow(lambda: self.monotonic() - begun < self.seconds)
        run.announced()
        run.swept.gone = self.retention()
        for trouble in run.away.values():
            raise trouble
        return run.swept


@dataclass(frozen=True, slots=True)
class Probe:
    """A task that was put into a queue to see whether it has lost others: its parcel, and the claim number then."""

    at: datetime
    submission: SubmissionId
    number: int
    claim: int

    def is_for(self, parcel: Parcel) -> bool:
        return (self.submission, self.number) == (parcel.submission, parcel.number)


@dataclass(slots=True)
class _Run:
    """One run, at one moment."""

    house: Sweep
    now: datetime
    swept: Swept = field(default_factory=Swept)
    away: dict[str, Unavailable] = field(default_factory=dict)  # queues that took nothing, and why
    later: defaultdict[datetime, list[SubmissionId]] = field(default_factory=lambda: defaultdict(list))
    waiting: defaultdict[str, list[tuple[datetime, Parcel]]] = field(default_factory=lambda: defaultdict(list))
    untold: list[Parcel] = field(default_factory=list)
    # What is stored between the runs.
    mark: Mark | None = None
    reached: dict[str, datetime] = field(default_factory=dict)  # by queue: what was due before and hasn't run is lost
    probes: defaultdict[str, list[Probe]] = field(default_factory=lambda: defaultdict(list))

    def recall(self) -> None:
        """Take up what the last run left, and see which probes have run."""
        stored = self.house.directory.get("sweep", "mark")
        if stored is None:
            return
        self.mark = Mark(datetime.fromisoformat(stored["created_at"]), stored["id"])
        if self.mark.created_at > self.now:  # the clock was wrong then, and what came since lies behind the mark
            self.mark = Mark(self.now - LOOK_BACK, "")
        self.reached = {queue: datetime.fromisoformat(at) for queue, at in stored["reached"].items()}
        for queue, at, id_, number, claim in stored["probes"]:
            probe = Probe(datetime.fromisoformat(at), SubmissionId(id_), number, claim)
            if self._has_run(probe):
                self.reached[queue] = max(probe.at, self.reached.get(queue, EPOCH))
            elif self.now < probe.at + LOOK_AGAIN:
                self.probes[queue].append(probe)

    def walk(self, time_left: Callable[[], bool]) -> None:
        """Meet every submission that is old enough, from where the last run stopped."""
        until = self.now - self.house.after
        while time_left() and self.swept.walked < self.house.most / 2:
            page = self.house.submissions.created_since(self.mark, until, _PAGE)
            for submission in page:
                self._look(submission)
            self.swept.walked += len(page)
            if page:
                self.mark = Mark(page[-1].created_at, page[-1].id)
                self._probe()
                self._tell()
                # The notes first: a crash in between takes them twice, and loses none.
                self._take_notes()
                self._remember()
            if len(page) < _PAGE:
                return
        self.swept.caught_up = False

    def follow(self, time_left: Callable[[], bool]) -> None:
        """Look again at what notes tell of, once their time has come."""
        house = self.house
        met: set[SubmissionId] = set()
        for key, ids in due_notes(house.directory, self.now):
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
            if self._probe():
                self._remember()
            self._tell()
            self._take_notes()
            house.directory.delete(NOTE, key)

    def _look(self, submission: Submission) -> None:
        """Put back what should have moved, and note when to look again at what is still open."""
        again: list[datetime] = []
        for parcel in submission.parcels:
            if parcel.claim > 0:
                self.reached[parcel.queue] = max(submission.date_of(parcel), self.reached.get(parcel.queue, EPOCH))
            if parcel.open:
                again.append(self._look_at(submission, parcel))
            if (since := news_since(parcel)) is not None:
                again.append(self._look_at_news(parcel, since))
        if again:
            self._note(min(again), submission.id)

    def _look_at(self, submission: Submission, parcel: Parcel) -> datetime:
        """When to look again at an open parcel, which is put back where its task is lost."""
        stranded_at = _moves_at(submission, parcel) + self.house.after
        if stranded_at > self.now:
            return stranded_at
        if stranded_at <= self.reached.get(parcel.queue, EPOCH):
            # Its queue has come to later ones, so it has lost this one.
            return self.now + (LOOK_AGAIN if self._put(parcel) else self.house.after)
        # Else the queue may be behind, and to put copies of all that wait would keep it so for good.
        if any(each.is_for(parcel) for each in self.probes[parcel.queue]):
            return self.now + LOOK_AGAIN
        self.waiting[parcel.queue].append((stranded_at, parcel))
        # What is lost shows once a probe has run, which is soon; a queue that stays behind is asked ever more rarely.
        late = self.now - stranded_at + self.house.after
        return self.now + min(late, LOOK_AGAIN)

    def _look_at_news(self, parcel: Parcel, since: datetime) -> datetime:
        """When to look again at news that waits since then, which gets a notice where it is late.

        A notice too many finds that it was told, or that its next try isn't due: it costs little.
        """
        late_at = since + self.house.after
        if late_at > self.now:
            return late_at
        self.untold.append(parcel)
        return self.now + LOOK_AGAIN

    def _tell(self) -> None:
        """Put the notices of what is late."""
        late, self.untold = self.untold, []
        # As with tasks, the turn says when it was.
        told = notices(late, turn=_minute(self.now)) if QUEUE not in self.away else []
        if not told:
            return
        try:
            self.house.schedule.put_many([(each, self.now) for each in told])
            self.swept.told += len(late)
        except Unavailable as error:
            self.away[QUEUE] = error

    def announced(self) -> None:
        """See to the events that are no letter's."""
        try:
            self.swept.told += self.house.announced()
        except Unavailable as error:
            self.away.setdefault(QUEUE, error)

    def _probe(self) -> bool:
        """Put the latest of those whose queue may be behind, as far as there is room; whether any was put."""
        before = self.swept.put_back
        for queue, waiting in self.waiting.items():
            room = PROBES - len(self.probes[queue])
            for _, parcel in sorted(waiting, key=lambda each: each[0], reverse=True)[:room]:
                if self._put(parcel):
                    self.probes[queue].append(Probe(self.now, parcel.submission, parcel.number, parcel.claim))
                else:
                    self._note(self.now + self.house.after, parcel.submission)
        self.waiting.clear()
        return self.swept.put_back > before

    def _put(self, parcel: Parcel) -> bool:
        """Whether the queue took a task for the parcel. A queue that failed isn't asked again in this run."""
        if parcel.queue in self.away:
            return False
        # The name of a rescue says when it was: no tombstone swallows it, and two runs at once put the same.
        generation = max(parcel.generation + 1, _minute(self.now))
        try:
            self.house.schedule.put(parcel.task(generation), self.now)
        except Unavailable as error:
            self.away[parcel.queue] = error
            return False
        self.swept.put_back += 1
        return True

    def _has_run(self, probe: Probe) -> bool:
        """Whether its parcel has moved on since."""
        submission = self.house.submissions.get(probe.submission)
        parcels = submission.parcels if submission is not None else ()
        return all(each.claim > probe.claim or not each.open for each in parcels if each.number == probe.number)

    def _note(self, at: datetime, id_: SubmissionId) -> None:
        """Have the submission looked at once `at` has come: what is due in the same stretch shares a document."""
        opens = EPOCH + -((EPOCH - at) // self.house.after) * self.house.after
        self.later[opens].append(id_)

    def _take_notes(self) -> None:
        for at, ids in self.later.items():
            for start in range(0, len(ids), _IN_A_NOTE):
                leave_note(self.house.directory, at, ids[start : start + _IN_A_NOTE], self.house.identify())
        self.later.clear()

    def _remember(self) -> None:
        """Store what the next run needs."""
        mark = self.mark or Mark(EPOCH, "")
        document = {
            "created_at": mark.created_at.isoformat(),
            "id": mark.id,
            "reached": {queue: at.isoformat() for queue, at in self.reached.items()},
            "probes": [
                [queue, each.at.isoformat(), each.submission, each.number, each.claim]
                for queue, probes in self.probes.items()
                for each in probes
            ],
        }
        self.house.directory.put("sweep", "mark", document)


def leave_note(directory: Directory, at: datetime, submissions: Sequence[str], name: str, kind: str = NOTE) -> str:
    """Have the sweep look at these once `at` has come. `name` is the note's own among those of that time.

    The key that it is kept under.
    """
    key = f"{_sortable(at)}/{name}"
    directory.create(kind, key, {"submissions": list(submissions)})
    return key


def due_notes(directory: Directory, now: datetime, kind: str = NOTE) -> Iterator[tuple[str, list[SubmissionId]]]:
    """The notes that are due, the oldest first, with their keys."""
    due = _sortable(now)
    for key, note in every(directory, kind):
        if key.partition("/")[0] > due:
            return
        yield key, [SubmissionId(each) for each in note["submissions"]]


def _minute(now: datetime) -> int:
    return (now - EPOCH) // timedelta(minutes=1)


def _sortable(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}"


def _moves_at(submission: Submission, parcel: Parcel) -> datetime:
    """When the parcel's next step is due: the end of its claim, or its next attempt."""
    if parcel.lease is not None:
        return parcel.lease.until
    return submission.due(parcel)
