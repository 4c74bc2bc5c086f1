"""The files that a letter encloses by their URLs: fetched once, before anybody carries the letter.

What was fetched is stored with the letter, so that every attempt and every parcel of it sends the same octets. One
worker fetches while the others wait; should there be two all the same, the first who stores decides for both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from threading import BoundedSemaphore

from postroom.delivery.record import SubmissionId
from postroom.message.attachment import LARGEST_TOGETHER, UNKNOWN, Attachment, in_base64
from postroom.message.letter import InvalidHeader, Letter, check_content_type
from postroom.ports import Directory, Fetch, Holders, NotFetched, Submissions, Unavailable

KIND = "fetch"  # of the documents that say who is at it

LONGEST = 90.0
"""Seconds that all files of one letter may take."""

LOOK_AGAIN = timedelta(seconds=5)
"""How soon a letter is looked at again that somebody else fetches for."""

_MARGIN = timedelta(seconds=30)  # that DNS and the store may take besides


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Nothing is left to fetch."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Somebody else fetches for it, or enough are fetched for already."""

    again_at: datetime


@dataclass(slots=True, kw_only=True)
class Enclosures:
    """Completes letters."""

    submissions: Submissions
    directory: Directory
    fetch: Fetch
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    holder: str  # names this process
    holders: Holders | None = None
    at_once: int = 8  # letters that this process fetches for: slow hosts of files mustn't take all of its threads
    _free: BoundedSemaphore = field(init=False)
    _numbers: count[int] = field(init=False, default_factory=count)

    def __post_init__(self) -> None:
        self._free = BoundedSemaphore(self.at_once)

    def __call__(self, submission: SubmissionId, seconds: float) -> Enclosed | UnderWay | NotFetched:
        """Fetch what the letter lacks, in that time, and store it. Raises `Unavailable`."""
        if not self._free.acquire(blocking=False):
            return UnderWay(self.clock() + LOOK_AGAIN)
        try:
            return self._in_turn(submission, seconds)
        finally:
            self._free.release()

    def _in_turn(self, submission: SubmissionId, seconds: float) -> Enclosed | UnderWay | NotFetched:
        """As far as nobody else is at it."""
        until = self.monotonic() + min(seconds, LONGEST)
        now = self.clock()
        if not self._begin(submission, now, now + timedelta(seconds=min(seconds, LONGEST)) + _MARGIN):
            return UnderWay(now + LOOK_AGAIN)
        try:
            return self._complete(submission, until)
        finally:
            with suppress(Unavailable):  # it ends by itself
                self.directory.delete(KIND, submission)

    def _begin(self, submission: SubmissionId, now: datetime, until: datetime) -> bool:
        """Whether it is ours to fetch."""
        if self.holders is not None:
            self.holders.live_as(self.holder)
        mine = {"holder": self.holder, "number": next(self._numbers), "until": until.isoformat()}
        stored = self.directory.create(KIND, submission, mine)
        if stored == mine:
            return True
        dead = self.holders is not None and self.holders.is_dead(stored["holder"])
        if not dead and now < datetime.fromisoformat(stored["until"]):
            return False
        return self.directory.replace(KIND, submission, mine, over=stored)

    def _complete(self, submission: SubmissionId, until: float) -> Enclosed | NotFetched:
        stored = self.submissions.letter(submission)
        if stored is None:
            return Enclosed()  # it was erased, and whoever wants to carry it will find that out
        letter = Letter.unpack(stored)
        room = LARGEST_TOGETHER - sum(in_base64(len(file.content)) for file in letter.attachments)
        files: list[Attachment] = []
        for file in letter.attachments:
            found = file if file.path is None else self._fetched(file, file.path, room, until)
            if isinstance(found, NotFetched):
                return replace(found, why=f"The file {file.filename} can't be fetched from {found.why}")
            if file.path is not None:
                room -= in_base64(len(found.content))
            files.append(found)
        self.submissions.complete(submission, replace(letter, attachments=tuple(files)).pack())
        return Enclosed()

    def _fetched(self, file: Attachment, url: str, room: int, until: float) -> Attachment | NotFetched:
        left = until - self.monotonic()
        if left <= 0:
            return NotFetched("where it is: the files before it took all the time there was", for_good=False)
        answer = self.fetch(url, max(room, 0) // 4 * 3, left)
        if isinstance(answer, NotFetched):
            return answer
        content_type = file.content_type or _accepted(answer.media_type)
        return replace(file, content=answer.content, content_type=content_type, path=None)


def _accepted(media_type: str | None) -> str:
    """What its server calls a file, where a file can be called so."""
    try:
        check_content_type(media_type or "")
    except InvalidHeader:
        return UNKNOWN
    return media_type or UNKNOWN
