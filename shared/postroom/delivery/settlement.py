"""From the verdicts on a parcel's recipients to its next record: the one place where an attempt changes states."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from postroom.delivery.bounces import classify, words_of
from postroom.delivery.parcel import Parcel
from postroom.delivery.recipient import Recipient
from postroom.delivery.retry import RetryPolicy, hinted
from postroom.delivery.status import Outcome, Status
from postroom.delivery.submission import Submission
from postroom.smtp.verdict import Fate, Verdict


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one claimed parcel is settled: what was asked of it, and by which policy it goes on."""

    submission: Submission
    policy: RetryPolicy
    now: datetime
    mx: str | None = None

    def settled(self, parcel: Parcel, verdicts: Sequence[Verdict]) -> Parcel:
        """The parcel, no longer claimed, with each recipient moved by its verdict; without one it stays as it is.

        An attempt counts where anybody was asked about.
        """
        by_address = {verdict.recipient: verdict for verdict in verdicts}
        counts = any(verdict.fate is not Fate.NOT_ATTEMPTED for verdict in verdicts)
        tried = replace(parcel, attempts=parcel.attempts + counts)

        def moved(each: Recipient) -> Recipient:
            verdict = by_address.get(each.address)
            return each if verdict is None else self._moved(each, verdict, tried)

        return self._released(replace(tried.with_open(moved), marked=False, deaths=0))

    def expired(self, parcel: Parcel, cause: str | None = None) -> Parcel:
        """The parcel with its open recipients too old to go on; `cause` is why those were never asked about."""
        return self._ended(parcel, Status.EXPIRED, cause or "expired")

    def failed(self, parcel: Parcel, cause: str) -> Parcel:
        """The parcel with its open recipients failed: it could not be sent at all."""
        return self._ended(parcel, Status.FAILED, cause)

    def _ended(self, parcel: Parcel, status: Status, cause: str) -> Parcel:
        def ended(each: Recipient) -> Recipient:
            return each.due(self.now).moved(status, self.now, cause=each.cause or cause, next_attempt_at=None)

        return self._released(parcel.with_open(ended))

    def _released(self, parcel: Parcel) -> Parcel:
        """The parcel without its claim, its next attempt being the first of its recipients'."""
        return replace(parcel, lease=None, next_attempt_at=parcel.earliest_next_attempt)

    def put_back(self, parcel: Parcel) -> Parcel:
        """The parcel without its claim, its recipients as they are, but for `scheduled_at`: that has come."""
        turn = parcel.due(self.now)
        return self._released(parcel.with_open(lambda each: each.due(self.now) if each in turn else each))

    def _moved(self, recipient: Recipient, verdict: Verdict, parcel: Parcel) -> Recipient:
        sending, fate = recipient.sending(self.now), fate_of(verdict)
        if fate is Fate.NOT_ATTEMPTED:
            return sending.moved(Status.QUEUED, self.now, next_attempt_at=self.now)
        said = self._said(verdict) | {"attempts": recipient.attempts + 1, "next_attempt_at": None}
        match fate:
            case Fate.ACCEPTED:
                remote_id = _remote_id(verdict.reply.text) if verdict.reply else None
                return sending.moved(Status.DELIVERED, self.now, **said, remote_id=remote_id)
            case Fate.REFUSED:
                return sending.moved(Status.BOUNCED, self.now, **said, suppress=_is_of_nobody(verdict))
            case Fate.UNKNOWN if parcel.hold:
                return sending.moved(Status.UNKNOWN, self.now, **said, possibly_delivered=True)
            case _:
                maybe = recipient.possibly_delivered or fate is Fate.UNKNOWN
                deferred = sending.moved(Status.DEFERRED, self.now, **said, possibly_delivered=maybe)
                again_at = self._again_at(parcel, verdict, deferred.cause)
                if again_at is None:
                    return deferred.moved(Status.EXPIRED, self.now)
                return replace(deferred, next_attempt_at=again_at)

    def _again_at(self, parcel: Parcel, verdict: Verdict, cause: str | None) -> datetime | None:
        return self.policy.next_attempt(
            attempts=max(parcel.attempts - parcel.retried_after, 1),
            due=self.submission.due_since(parcel),
            now=self.now,
            expires_at=self.submission.expires_at,
            hint=hinted(words_of(verdict.reply)) if verdict.reply else None,
            greylisted=cause == "greylisted",
            luck=_luck(parcel),
        )

    def _said(self, verdict: Verdict) -> dict[str, Any]:
        reply = verdict.reply
        return {
            "code": reply.code if reply else None,
            "enhanced_code": verdict.enhanced or (reply.enhanced if reply else None),
            "response": reply.quoted() if reply else None,
            "cause": _cause_of(verdict),
            "mx": self.mx,
        }


def fate_of(verdict: Verdict) -> Fate:
    """The recipient's fate: a refusal for good that the rules for refusals want tried again is one for now."""
    if verdict.fate is Fate.REFUSED and verdict.reply is not None:
        refusal = classify(verdict.reply, verdict.stage)
        if refusal is not None and refusal.retry:
            return Fate.DEFERRED
    return verdict.fate


def _cause_of(verdict: Verdict) -> str | None:
    refusal = classify(verdict.reply, verdict.stage) if verdict.reply else None
    # Who turns us away at the door may say why, and where that is our fault it is the better word.
    if refusal is None or (verdict.cause and not (verdict.cause == "turned_away" and refusal.ours)):
        return verdict.cause
    return refusal.cause


def _is_of_nobody(verdict: Verdict) -> bool:
    """Whether the refusal proves that there is no such address."""
    refusal = classify(verdict.reply, verdict.stage) if verdict.reply else None
    return refusal is not None and refusal.suppress


def _luck(parcel: Parcel) -> float:
    """From 0 to 1, drawn by the name of the attempt: a replay draws the same, and nobody has to be asked for chance.

    A parcel's recipients share it: those who wait for the same delay go again in one transaction.
    """
    digest = hashlib.sha256(f"{parcel.key}/{parcel.attempts}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


_WORST_FIRST = (Fate.UNKNOWN, Fate.ACCEPTED, Fate.DEFERRED, Fate.REFUSED)


def outcome_of(verdicts: Sequence[Verdict]) -> Outcome:
    """The one word for an attempt: in doubt before taken by anybody, before deferred, before refused."""
    fates = set(map(fate_of, verdicts))
    return Outcome(next((fate for fate in _WORST_FIRST if fate in fates), Fate.NOT_ATTEMPTED))


# What servers say when they name the letter: Postfix and Sendmail "queued as X", Exim "id=X", qmail "qp X", others
# "as <X>". Nothing that a terminal would obey can be part of it.
_NAMED = re.compile(
    r"queued as ([\w.-]{4,64})|\bid=([\w.-]{4,64})|\bqp (\d{2,12})\b|\bas <([!-;=?-~]{4,128})>", re.ASCII
)


def _remote_id(text: str) -> str | None:
    match = _NAMED.search(text)
    return next((group for group in match.groups() if group), None) if match else None
