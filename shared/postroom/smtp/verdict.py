"""What the replies to one transaction mean for each of its recipients.

The rules are in `judge`, in the order in which they apply. Nothing is guessed in the recipient's favour or
against it: a lost reply to the final dot is a fate of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from postroom.smtp.reply import Reply


class Fate(StrEnum):
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the final dot was handed over and no reply to it came
    NOT_ATTEMPTED = "not_attempted"  # nothing was asked about this recipient that could have had an answer


@dataclass(frozen=True, slots=True)
class Verdict:
    """One recipient's fate, and the reply that decided it, or why there is none."""

    recipient: str
    fate: Fate
    reply: Reply | None = None
    note: str | None = None
    enhanced: str | None = None  # of a refusal of our own, where the server was never asked (RFC 3463)
    cause: str | None = None  # known without reading the reply's words


@dataclass(frozen=True, slots=True)
class Lost:
    """The conversation ended early: why, and whether all that was to be said had been handed to the kernel."""

    why: str
    handed_over: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What one transaction was answered. None stands where no reply came or nothing was asked."""

    mail: Reply | None = None
    recipients: tuple[Reply | None, ...] = ()
    data: Reply | None = None
    final: Reply | None = None
    lost: Lost | None = None
    content_sent: bool = False  # the letter's octets were part of the last flight
    chunked: bool = False  # they went with the envelope, in one flight

    @property
    def chunk_not_understood(self) -> bool:
        """Whether the server didn't know BDAT: that says nothing of the letter, nor of anybody it is for."""
        return self.chunked and self.final is not None and self.final.code in (500, 501, 502, 503, 504)

    @property
    def someone_was_accepted(self) -> bool:
        return any(reply is not None and reply.positive for reply in self.recipients)


_TOO_MANY = re.compile(r"too many|limit", re.IGNORECASE)


def judge(recipients: tuple[str, ...], answers: Answers, *, first: bool) -> tuple[Verdict, ...]:
    """The verdict on each of `recipients`; `first` tells that the session had carried no letter before."""
    padded = answers.recipients + (None,) * (len(recipients) - len(answers.recipients))
    return tuple(
        _judge_one(recipient, reply, answers, first=first) for recipient, reply in zip(recipients, padded, strict=True)
    )


def _judge_one(recipient: str, rcpt: Reply | None, answers: Answers, *, first: bool) -> Verdict:
    mail, final = answers.mail, answers.final
    # A server that takes the letter for somebody has it, whatever else it said: a second copy would be a lie.
    if final is not None and final.positive and rcpt is not None and rcpt.positive:
        return Verdict(recipient, Fate.ACCEPTED, final)
    # MAIL refused: that reply counts for everyone. A 421 after earlier letters ends the session, not the letter.
    if mail is not None and not mail.positive:
        if mail.code == 421 and not first:
            return Verdict(recipient, Fate.NOT_ATTEMPTED, mail)
        return Verdict(recipient, _fate_of(mail), mail)
    # RCPT refused: the recipient's own reply. RFC 5321 §4.5.3.1.10: too many at once, so the rest goes again.
    if rcpt is not None and not rcpt.positive:
        if answers.someone_was_accepted and rcpt.code in (452, 552) and _too_many(rcpt):
            return Verdict(recipient, Fate.NOT_ATTEMPTED, rcpt)
        return Verdict(recipient, _fate_of(rcpt), rcpt)
    # RCPT accepted: the reply to the final dot decides, or the one to DATA where it never came to a dot.
    if final is not None:
        return Verdict(recipient, Fate.DEFERRED if answers.chunk_not_understood else _fate_of(final), final)
    if answers.data is not None and answers.data.code != 354:
        return Verdict(recipient, _refusal_of(answers.data), answers.data)
    why = answers.lost.why if answers.lost else "the server never answered"
    if _in_doubt(rcpt, answers):
        note = f"The reply to the final dot was lost: {why}"
        return Verdict(recipient, Fate.UNKNOWN, note=note, cause="reply_lost")
    note = f"The session ended before the letter was taken: {why}"
    return Verdict(recipient, Fate.DEFERRED, note=note, cause="connection_lost")


def _in_doubt(rcpt: Reply | None, answers: Answers) -> bool:
    """Whether the server may have taken the letter although we never heard so."""
    if not answers.content_sent or answers.lost is None or not answers.lost.handed_over:
        return False
    if answers.chunked:
        # No answer at all is no proof that it read nothing, but who said goodbye takes no letter any more.
        return not any(reply is not None and reply.code == 421 for reply in answers.recipients)
    return answers.data is not None and rcpt is not None


def _fate_of(reply: Reply) -> Fate:
    """RFC 5321 §4.2.1: the first digit decides. 251 and 252 are as good as 250 (§4.2.3)."""
    if reply.positive:
        return Fate.ACCEPTED
    return _refusal_of(reply)


def _refusal_of(reply: Reply) -> Fate:
    # 421 is never about the recipient (RFC 5321 §3.8). A 2xx or 3xx out of place says nothing for good either.
    return Fate.REFUSED if reply.permanent else Fate.DEFERRED


def _too_many(reply: Reply) -> bool:
    return reply.enhanced in ("4.5.3", "5.5.3") or bool(_TOO_MANY.search(reply.text))
