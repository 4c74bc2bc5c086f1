"""The outside world on one page: what postroom asks of it, and what it promises.

An adapter translates and nothing else; no error of its product leaves it. Where a home can't be reached or
can't write, it raises `Unavailable`, and nothing is half done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from postroom.delivery.attempt import Attempt, TlsFacts
from postroom.delivery.parcel import Franking, Lease, Parcel
from postroom.delivery.record import SubmissionId
from postroom.delivery.routing import Exchanger, Target
from postroom.delivery.submission import Submission
from postroom.delivery.task import DeliveryTask, ParcelRef
from postroom.smtp.dialogue import Mail
from postroom.smtp.transcript import Line
from postroom.smtp.verdict import Verdict

T = TypeVar("T")


class Unavailable(Exception):
    """A home can't be reached or can't write: try again later. The text names the home and what failed."""


class UnknownCursor(LookupError):
    """A page was asked for after or before an id that isn't there."""


# Submissions


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list, newest first; `has_more` tells of items beyond it in the direction that was asked for."""

    items: tuple[T, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """Items older than `after` or newer than `before`, both exclusive ids; neither: the newest."""

    after: str | None = None
    before: str | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Claimed:
    """The parcel is ours until the lease ends; `taken_over` tells that a dead worker's claim was ended for it."""

    submission: Submission  # the head: without parcels
    parcel: Parcel
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Live:
    """Another worker is at it. Look again at `until`: it may be dead by then."""

    parcel: Parcel
    until: datetime


@dataclass(frozen=True, slots=True)
class Early:
    """The next attempt isn't due."""

    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Over:
    """The claim that the task names was settled already."""

    parcel: Parcel


class Submissions(Protocol):
    """Keeps submissions, their letters and their attempts."""

    def create(self, submission: Submission, letter: bytes) -> Submission:
        """Store both if the id is absent; else change nothing. The stored submission either way, durable on return."""

    def get(self, submission: SubmissionId) -> Submission | None: ...

    def letter(self, submission: SubmissionId) -> bytes | None:
        """The packed letter as it was stored, or None once it is erased."""

    def list(self, cursor: Cursor) -> Page[Submission]:
        """Submissions by creation, newest first. Raises `UnknownCursor`."""

    def attempts(self, submission: SubmissionId, cursor: Cursor) -> Page[Attempt]:
        """The attempts for one submission, newest first. Raises `UnknownCursor`."""

    def claim(self, ref: ParcelRef, lease: Lease, franking: Franking | None) -> Claimed | Live | Early | Over | None:
        """Take the parcel for `lease` by one conditional update, or say why not; None where there is no such parcel.

        Of any number of claims at the same time exactly one succeeds. A claim whose lease is over, or whose
        holder is known to be dead, is taken over, and its attempt recorded as abandoned.
        """

    def mark(self, parcel: Parcel) -> bool:
        """Write, durable on return, that the end of data is about to be said; whether the claim is still ours."""

    def settle(self, parcel: Parcel, attempt: Attempt | None) -> bool:
        """Write the parcel and the attempt if the claim is still ours: the parcel's claim number, not settled."""


class Directory(Protocol):
    """Small documents by kind and key: API keys, sending domains, what the deployment remembers."""

    def get(self, kind: str, key: str) -> Mapping[str, Any] | None: ...

    def create(self, kind: str, key: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store the document if the key is absent. What is stored either way."""

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Store the document, over whatever is there."""

    def delete(self, kind: str, key: str) -> bool:
        """Whether it was there."""

    def list(self, kind: str, after: str = "", limit: int = 100) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Keys greater than `after` in their order, with their documents."""


# Schedule


class Schedule(Protocol):
    """Brings a task back later."""

    def put(self, task: DeliveryTask, not_before: datetime) -> None:
        """Run `task` at or after then, at least once. Copies may come; the claim sorts them out.

        A task of the same name that is waiting, running or was run within the hour may swallow this one.
        """


# Resolver


@dataclass(frozen=True, slots=True)
class MxFound:
    exchangers: tuple[Exchanger, ...]  # the domain itself where it has addresses but no MX (RFC 5321 §5.1)


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
    transcript: tuple[Line, ...] = ()
    mx: str | None = None
    address: str | None = None
    tls: TlsFacts | None = None
    round_trips: int | None = None
    note: str | None = None


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
