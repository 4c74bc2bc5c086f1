"""What comes back: reports about letters that were taken, found to their recipients and written down.

A report is believed where it names the letter's return path with our signature, which only whoever the letter reached
can know. What is signed wrongly changes nothing, whatever else it names. Without a signature a letter is found by its
Message-ID, and then its recipients move only where its return path has no signature that a genuine report would have
come to; the recipient's cause says so, and nobody is put on the suppression list for it. To do it twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from postroom.account.verp import ReturnPaths, Seal, shape
from postroom.claims import Claims
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import SubmissionId
from postroom.delivery.reports.move import Effect, moved
from postroom.delivery.reports.reading import read_report
from postroom.delivery.reports.report import Kind, Report, Said
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.ports import Submissions


class Outcome(StrEnum):
    """What a message that came back is to us."""

    READ = "read"  # a report about one of our letters; its recipients tell the rest
    NOT_A_REPORT = "not_a_report"
    FORGED = "forged"  # it names a return path whose signature isn't ours
    UNSIGNED = "unsigned"  # its letter's return path is signed, and it doesn't name that
    UNKNOWN = "unknown_email"  # it names no letter of ours
    ERASED = "erased_email"


class Busy(Exception):
    """A worker has a claim on the letter: bring the report again a little later."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a report said of one recipient, and what became of it."""

    reported_as: str | None  # the address that the report names
    recipient: Recipient | None = None  # as it is now; None where the letter is for nobody whom the report names
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """What became of a message that came back."""

    outcome: Outcome
    kind: Kind | None = None
    submission: SubmissionId | None = None
    signed: bool = False
    heard: tuple[Heard, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Takes reports. `follow` does what follows from how recipients ended, as after an attempt; it may come twice."""

    submissions: Submissions
    claims: Claims
    return_paths: ReturnPaths
    clock: Callable[[], datetime]
    follow: Callable[[Parcel], None]

    def __call__(self, octets: bytes, came_to: str | None = None) -> Returned:
        """Take a message; `came_to` is its envelope's recipient, where that is known.

        Raises `Busy`, `Unavailable`, or `NoMessage`.
        """
        report = read_report(octets)
        if report is None:
            return Returned(Outcome.NOT_A_REPORT)
        named = [*([came_to] if came_to else []), *report.return_paths]
        readings = [reading for each in named if (reading := self.return_paths.read(each)) is not None]
        if any(reading.seal is Seal.FORGED for reading in readings):
            return Returned(Outcome.FORGED, report.kind)
        id_ = next((reading.submission for reading in readings if reading.seal is Seal.SIGNED), None)
        if id_ is not None:
            submission = self.submissions.get(id_)
            return self._taken(report, submission, signed=True)
        unsigned = [reading.submission for reading in readings]
        return self._taken(report, self._guessed(report, named, unsigned), signed=False)

    def _guessed(self, report: Report, named: list[str], ids: list[SubmissionId]) -> Submission | None:
        """The letter that the report names without a signature."""
        by_id = [shape(each.strip("<>")) for each in report.message_ids]  # ours are <id@domain>
        ids = [*ids, *(each.submission for each in by_id if each is not None and each.seal is Seal.UNSIGNED)]
        return_paths = {each.lower() for each in named}
        for id_ in list(dict.fromkeys(ids))[:_MOST_GUESSES]:
            submission = self.submissions.get(id_)
            if submission is not None and (
                submission.message_id in report.message_ids or submission.return_path.lower() in return_paths
            ):
                return submission
        return None

    def _taken(self, report: Report, submission: Submission | None, *, signed: bool) -> Returned:
        if submission is None:
            return Returned(Outcome.UNKNOWN, report.kind, signed=signed)
        told = (report.kind, submission.id, signed)
        if submission.erased:
            return Returned(Outcome.ERASED, *told)
        if not signed:
            own = shape(submission.return_path)
            if own is not None and own.seal is Seal.SIGNED and own.submission == submission.id:
                return Returned(Outcome.UNSIGNED, *told)
        return Returned(Outcome.READ, *told, tuple(self._heard(report, submission, signed=signed)))

    def _heard(self, report: Report, submission: Submission, *, signed: bool) -> Iterator[Heard]:
        parcels = {_key(each): parcel.number for parcel in submission.parcels for each in parcel.recipients}
        for said in report.said:
            as_ = said.addresses[-1] if said.addresses else None
            key = next((each for each in said.keys if each in parcels), None)
            himself = not said.addresses or (key is not None and said.keys[-1] == key)
            if key is None and signed and len(parcels) == 1:
                (key,) = parcels  # the letter was passed on to the one whom the report names, or it names nobody
            if key is None:
                yield Heard(as_)
                continue
            yield self._written(submission.id, parcels[key], key, _Hearing(said, as_, signed=signed, himself=himself))

    def _written(self, id_: SubmissionId, number: int, key: str, hearing: _Hearing) -> Heard:
        """What is heard of that recipient of a parcel, written down, and what follows from it done."""
        seen: list[tuple[Parcel, Heard, bool]] = []  # the parcel as it was last seen, and whether it is to be changed
        now = self.clock()

        def changed(parcel: Parcel) -> Parcel | None:
            at = next(at for at, each in enumerate(parcel.recipients) if _key(each) == key)
            before = parcel.recipients[at]
            after, effect = moved(before, hearing.said, now, signed=hearing.signed, himself=hearing.himself)
            seen[:] = [(parcel, Heard(hearing.as_, after, effect), after != before)]
            if after == before:
                return None
            told = replace(parcel, recipients=(*parcel.recipients[:at], after, *parcel.recipients[at + 1 :]))
            return replace(told, next_attempt_at=told.earliest_next_attempt)

        written = self.claims.report(id_, number, changed)
        if not seen or (seen[0][2] and written is None):
            raise Busy(id_)  # or erased just now, which the next time tells
        parcel, heard, _ = seen[0]
        # Also where nothing was changed: whoever wrote it may have died before this.
        self.follow(written or parcel)
        return heard


@dataclass(frozen=True, slots=True)
class _Hearing:
    """What is said of one recipient, and how far it can be believed."""

    said: Said
    as_: str | None
    signed: bool
    himself: bool


_MOST_GUESSES = 5


def _key(recipient: Recipient) -> str:
    return Mailbox.parse(recipient.address).key
