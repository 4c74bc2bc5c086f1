"""The outside world on one page: what postroom asks of it, and what it promises.

An adapter translates and nothing else; no error of its product leaves it. Where a home can't be reached or
can't write, it raises `Unavailable`, and nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from postroom.delivery.attempt import Attempt, TlsFacts
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.routing import Exchanger, Target
from postroom.delivery.sts import Policy
from postroom.delivery.submission import Submission
from postroom.smtp.envelope import Mail
from postroom.smtp.transcript import Line
from postroom.smtp.verdict import Verdict

T = TypeVar("T")


class Unavailable(Exception):
    """A home can't be reached or can't write: try again later. The text names the home and what failed."""


class UnknownCursor(LookupError):
    """A page was asked for after or before an id that isn't there."""


# Submissions


@dataclass(frozen=True, slots=True)
class Cursor:
    """Items older than `after` or newer than `before`, both exclusive ids; neither: the newest."""

    after: str | None = None
    before: str | None = None
    limit: int = 20
    since: datetime | None = None  # of submissions: those created then or later
    until: datetime | None = None  # of submissions: those created before then

    @property
    def mark(self) -> str | None:
        """The id that reading begins at, without it; None for the newest."""
        return self.before if self.after is None else self.after

    @property
    def newer(self) -> bool:
        """Whether reading goes from the mark towards the newest."""
        return self.after is None and self.before is not None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, newest first; `has_more` tells of items beyond it in the direction that was asked for."""

    items: tuple[T, ...]
    has_more: bool

    @classmethod
    def of(cls, cursor: Cursor, nearest: Sequence[T], *, has_more: bool | None = None) -> Page[T]:
        """The page of `nearest`, which begins with what is next to the mark.

        Unless `has_more` is told, `nearest` holds one more than the page where there are more.
        """
        items = nearest[: cursor.limit]
        more = len(nearest) > cursor.limit if has_more is None else has_more
        return cls(tuple(reversed(items) if cursor.newer else items), more)


@dataclass(frozen=True, slots=True)
class Found:
    """A parcel as it stands, and what its worker needs of the rest."""

    submission: Submission  # the head: without parcels
    parcel: Parcel
    letter: bytes | None = None  # packed, where the home keeps it in the record that it has just read


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a walk by creation has come: the submission it stopped at."""

    created_at: datetime
    id: str


class Submissions(Protocol):
    """Keeps submissions, their letters and their attempts.

    A parcel is changed by `change` alone, which writes only over the version that it was made from: of any number of
    changes at the same time exactly one succeeds. What that means for claims is said in `claims.py`, once for all
    homes.
    """

    def create(self, submission: Submission, letter: bytes) -> Submission:
        """Store both if the id is absent; else change nothing. The stored submission either way, durable on return."""

    def create_many(self, letters: Sequence[tuple[Submission, bytes]]) -> Sequence[Submission]:
        """`create` for each, in fewer calls where the home has a way. The stored submissions, in their order.

        The first speaks for all: no other is stored before it, and where it is there already and of another request
        (`Submission.is_of_the_request_of`), no other is stored, and it alone is handed back. Where it raises, some may
        have been stored, the first before the others.
        """

    def get(self, submission: SubmissionId) -> Submission | None:
        """With its parcels. Of one that is erased, what is left of its head."""

    def letter(self, submission: SubmissionId) -> bytes | None:
        """The packed letter as it was stored, or as it was completed; None once it is erased."""

    def complete(self, submission: SubmissionId, letter: bytes) -> bytes | None:
        """Store the letter with all of its files in place of the one that lacks some, durable on return.

        It is done once: whoever comes second changes nothing, and gets the first's. None where there is no letter.
        """

    def erase(self, submission: Submission) -> None:
        """Erase its letter, parcels and attempts, and put `submission`, which is a stripped head, in its place.

        What is left is in no list and no walk, and keeps the id taken. Where it raises, some of it may be erased; to
        erase again, or what isn't there, is safe.
        """

    def purge(self, submission: SubmissionId) -> None:
        """Leave nothing of it, nor of what was erased. As `erase`, it can be done again."""

    def list(self, cursor: Cursor) -> Page[Submission]:
        """Submissions by creation, newest first, those that are erased left out. Raises `UnknownCursor`."""

    def created_since(self, mark: Mark | None, until: datetime, limit: int) -> Sequence[Submission]:
        """Submissions by creation, oldest first: those after `mark`, or the first ever, and created before `until`."""

    def attempts(self, submission: SubmissionId, cursor: Cursor) -> Page[Attempt]:
        """The attempts for one submission, newest first. Raises `UnknownCursor`."""

    def find(self, submission: SubmissionId, number: int) -> Found | None:
        """The parcel as it is at this moment, with its version."""

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        """Write the parcel, and the attempt with it, over the version that the parcel names; durable on return.

        The parcel under its new version, or None with nothing changed where the stored one has another.
        """


class Holders(Protocol):
    """Knows which workers live, where a home can know it better than by their leases."""

    look_again: timedelta  # a living worker's claim is worth another look this soon

    def live_as(self, name: str) -> None:
        """Be known as alive under `name` until this process ends."""

    def is_dead(self, name: str) -> bool:
        """Whether the worker of that name has ended."""


class Directory(Protocol):
    """Small documents by kind and key: API keys, sending domains, what the deployment remembers."""

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None: ...

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store the document if the key is absent. What is stored either way."""

    def get_many(self, kind: str, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Those of the documents that are there, by their keys."""

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Store the document, over whatever is there."""

    def replace(self, kind: str, key: str, document: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Store the document where `over` is what is there, and tell whether it was; else nothing is changed."""

    def delete(self, kind: str, key: str) -> bool:
        """Whether it was there."""

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Keys greater than `after` in their order, with their documents."""


CLOCKS_DIFFER = 5
"""Stretches that a counter may be ahead of somebody's clock."""


class Counters(Protocol):
    """Counts by name, over all processes of a deployment, within stretches of time that are numbered.

    A name is in one stretch at a time, the newest that anybody has named: whose clock is behind counts with the
    others. From one that is more than `CLOCKS_DIFFER` further on than his own a caller begins anew, since only a clock
    that is wrong can have named it.
    """

    def add(self, name: str, stretch: int, number: int) -> int:
        """Add to what was counted under the name within this stretch; the sum with it.

        What is repeated for want of an answer may count twice, and a failure of the power may take it back.
        """


# Schedule


class Task(Protocol):
    """What a queue carries: ids, never contents."""

    @property
    def queue(self) -> str:
        """The traffic class: which queue, and so which function, it is for."""

    @property
    def destination(self) -> str:
        """Whom it may keep waiting."""

    @property
    def name(self) -> str:
        """At most 64 characters of [0-9a-f]: a hint by which a home may collapse copies, never a guarantee."""

    def body(self) -> bytes: ...


class Schedule(Protocol):
    """Brings a task back later."""

    def put(self, task: Task, not_before: datetime) -> None:
        """Run `task` at or after then, at least once. Copies may come; the claim sorts them out.

        A task of the same name that is waiting, running or was run within the hour may swallow this one.
        """

    def put_many(self, tasks: Sequence[tuple[Task, datetime]]) -> None:
        """`put` for each, in fewer calls where the home has a way. Where it raises, some may have been put."""

    def cancel(self, task: Task) -> None:
        """Take the task out of the queue, where that can be done: it may run all the same."""


# Resolver


@dataclass(frozen=True, slots=True)
class MxFound:
    exchangers: tuple[Exchanger, ...]  # the domain itself where it has addresses but no MX (RFC 5321 §5.1)
    secure: bool = False  # DNSSEC vouches for them
    implicit: bool = False  # there was no MX


@dataclass(frozen=True, slots=True)
class NullMx:
    """The domain says that it takes no mail (RFC 7505)."""


@dataclass(frozen=True, slots=True)
class NoDomain:
    """There is no such domain, or it has neither MX nor addresses."""

    why: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """DNS didn't answer; nothing may be concluded."""

    why: str


class Resolver(Protocol):
    """Asks DNS where a domain's mail goes."""

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer: ...


# Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What became of one letter, and the part of the session that it saw."""

    verdicts: tuple[Verdict, ...]
    route: str | None = None  # the name of the one that carried it, where it isn't the parcel's own
    transcript: tuple[Line, ...] = ()
    mx: str | None = None
    address: str | None = None
    tls: TlsFacts | None = None
    round_trips: int | None = None
    note: str | None = None
    missed: str | None = None  # the cause for which the target's own servers weren't reached, and its fallback was


class Wire(Protocol):
    """Carries letters over SMTP."""

    def converse(
        self,
        target: Target,
        mails: Iterator[Mail],
        deadline: float,
        mark: Callable[[Mail], bool],
        settled: Callable[[Mail, Carried], None],
    ) -> None:
        """Carry `mails` in one session, HELO to QUIT.

        For a letter that is to be marked, `mark` is called before the flight that carries its end is said; where it
        answers False, that flight isn't said.

        A letter is pulled one ahead of its turn, the first two before anything is dialled.
        Both are called in the caller's thread, `settled` once for each letter pulled, as its verdict falls and
        before the answer to QUIT is waited for. Letters are left unpulled where the session ends early.
        `deadline` is monotonic: what isn't settled by then is dropped and settled as it then stands.
        """


# Fetch


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file of somebody's web server."""

    content: bytes
    media_type: str | None  # what its server calls it, in lower case and without parameters


@dataclass(frozen=True, slots=True)
class NotFetched:
    """Why there is no file. The text holds nothing of what a server has said."""

    why: str
    for_good: bool  # to ask again would be in vain


class Fetch(Protocol):
    """Fetches files over HTTPS, from public addresses alone."""

    def __call__(self, url: str, most: int, seconds: float) -> Fetched | NotFetched:
        """A file of at most so many octets, within `seconds`; DNS keeps its own time besides."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An endpoint's answer."""

    status: int
    body: bytes  # the beginning of it
    retry_after: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class NotPosted:
    """Why there is no answer. What was posted may have come through."""

    why: str


class Posts(Protocol):
    """Posts to applications' endpoints over HTTPS, to public addresses alone, following no redirect."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Posted | NotPosted:
        """Within `seconds`; DNS keeps its own time besides."""


# Looking, without a letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A server that we introduced ourselves to and took leave of, or didn't get to."""

    place: str  # the server as people name it: host, address, port
    address: str | None = None  # its
    trouble: str | None = None  # why it wasn't ready for a letter
    cause: str | None = None
    heard: bool = False  # it said something
    source: str | None = None  # the public address that we dialled from
    seen: str | None = None  # the public address that it says it sees us at
    tls: TlsFacts | None = None
    mechanisms: frozenset[str] = frozenset()  # of AUTH, in upper case


class Visits(Protocol):
    """Goes where a letter would go, says EHLO, STARTTLS, EHLO, QUIT, and shows nobody a credential."""

    def visit(self, target: Target, seconds: float) -> Visit:
        """The first of its hosts that is ready for a letter, else the last that was tried, within `seconds`."""


class Published(Protocol):
    """What domains and addresses publish, asked anew: nothing of it is remembered from letters before."""

    def exchangers(self, domain: str) -> MxFound | NullMx | NoDomain | NoAnswer: ...

    def texts(self, name: str) -> tuple[str, ...] | NoAnswer:
        """The TXT records of a name, each in one piece."""

    def addresses(self, host: str, version: int) -> tuple[str, ...] | NoAnswer:
        """The addresses of a host, of IP version 4 or 6."""

    def pointer(self, address: str) -> tuple[str, ...] | NoAnswer:
        """The names that DNS gives an address, in lower case."""

    def certificates(self, host: str, port: int) -> int | NoAnswer:
        """How many TLSA records a host publishes that DNSSEC vouches for."""

    def policy(self, domain: str) -> Policy | NoAnswer | None:
        """The MTA-STS policy as its host serves it now, None where none is announced."""
