"""What the replies to one transaction mean for each of its recipients.

The rules are in `judge`, in the order in which they apply. Nothing is guessed in the recipient's favour or
against it: a lost reply to the final dot is a fate of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from postroom.smtp.answers import Answers
from postroom.smtp.reply import Reply


class Fate(StrEnum):
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the final dot was handed over and no reply to it came
    NOT_ATTEMPTED = "not_attempted"  # nothing was asked about this recipient that could have had an answer


class Stage(StrEnum):
    """Which part of a transaction a reply decided: the same words weigh differently in each."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # DATA, the final dot, or BDAT


@dataclass(frozen=True, slots=True)
class Verdict:
    """One recipient's fate, and the reply that decided it, or why there is none."""

    recipient: str
    fate: Fate
    reply: Reply | None = None
    note: str | None = None
    enhanced: str | None = None  # of a refusal of our own, where the server was never asked (RFC 3463)
    cause: str | None = None  # known without reading the reply's words
    stage: Stage | None = None  # of a refusal within a transaction


def judge(recipients: tuple[str, ...], answers: Answers, *, first: bool) -> tuple[Verdict, ...]:
    """The verdict on each of `recipients`; `first` tells that the session had carried no letter before."""
    if answers.unanimous and not answers.doubtful:
        return tuple([Verdict(recipient, Fate.ACCEPTED, answers.final) for recipient in recipients])
    padded = answers.recipients + (None,) * (len(recipients) - len(answers.recipients))
    return tuple(
        _judge_one(recipient, reply, answers, first=first) for recipient, reply in zip(recipients, padded, strict=True)
    )


def _judge_one(recipient: str, rcpt: Reply | None, answers: Answers, *, first: bool) -> Verdict:
    mail, final = answers.mail, answers.final
    if answers.doubtful and (answers.chunked or not answers.content_sent or rcpt is None or rcpt.positive):
        note = "The server sent one reply too many, so which is whose can't be told"
        if answers.content_sent:
            return Verdict(recipient, Fate.UNKNOWN, final, note, cause="reply_lost")
        return Verdict(recipient, Fate.DEFERRED, note=note, cause="connection_lost")
    # A server that takes the letter for somebody has it, whatever else it said: a second copy would be a lie.
    if final is not None and final.positive and rcpt is not None and rcpt.positive:
        return Verdict(recipient, Fate.ACCEPTED, final)
    if answers.out_of_step:
        note = "The server couldn't follow commands that came together, so nobody was judged"
        return Verdict(recipient, Fate.NOT_ATTEMPTED, _last_of(answers), note)
    if answers.chunk_not_understood:
        note = "The server offers CHUNKING and doesn't know BDAT, so nobody was judged"
        return Verdict(recipient, Fate.NOT_ATTEMPTED, final, note)
    if answers.reset_refused and not _in_doubt(rcpt, answers):
        note = "The server refused RSET, so what it says behind that is of another letter"
        return Verdict(recipient, Fate.NOT_ATTEMPTED, _last_of(answers), note)
    # MAIL refused: that reply counts for everyone. A 421 after earlier letters ends the session, not the letter.
    if mail is not None and not mail.positive:
        if (mail.code == 421 and not first) or (answers.later and mail.code in (421, 500, 502, 503)):
            return Verdict(recipient, Fate.NOT_ATTEMPTED, mail)
        return Verdict(recipient, _fate_of(mail), mail, stage=Stage.MAIL)
    # RCPT refused: the recipient's own reply. RFC 5321 §4.5.3.1.10: too many at once, so the rest goes again.
    if rcpt is not None and not rcpt.positive:
        if answers.someone_was_accepted and rcpt.code in (452, 552) and rcpt.too_many:
            return Verdict(recipient, Fate.NOT_ATTEMPTED, rcpt)
        return Verdict(recipient, _fate_of(rcpt), rcpt, stage=Stage.RCPT)
    # RCPT accepted: the reply to the final dot decides, or the one to DATA where it never came to a dot.
    if final is not None and final.intermediate:
        note = "The server asked for more of a letter that it had, so what it did with it can't be told"
        return Verdict(recipient, Fate.UNKNOWN, final, note, cause="reply_lost")
    if final is not None:
        return Verdict(recipient, _fate_of(final), final, stage=Stage.DATA)
    if answers.data is not None and answers.data.code != 354:
        return Verdict(recipient, _refusal_of(answers.data), answers.data, stage=Stage.DATA)
    return _without_an_answer(recipient, rcpt, answers, first=first)


def _without_an_answer(recipient: str, rcpt: Reply | None, answers: Answers, *, first: bool) -> Verdict:
    """The verdict where the conversation ended before the letter was judged."""
    why = answers.lost.why if answers.lost else "the server never answered"
    if _in_doubt(rcpt, answers):
        note = f"The reply to the final dot was lost: {why}"
        return Verdict(recipient, Fate.UNKNOWN, note=note, cause="reply_lost")
    note = f"The session ended before the letter was taken: {why}"
    if not first or answers.goodbye:
        # It had carried others: another session may carry this one, and nothing is held against anybody.
        return Verdict(recipient, Fate.NOT_ATTEMPTED, note=note, cause="connection_lost")
    return Verdict(recipient, Fate.DEFERRED, note=note, cause="connection_lost")


def _in_doubt(rcpt: Reply | None, answers: Answers) -> bool:
    """Whether the server may have taken the letter although we never heard so."""
    if not answers.content_sent or answers.lost is None or not answers.lost.handed_over:
        return False
    if answers.chunked:
        # No answer at all is no proof that it read nothing, but who said goodbye takes no letter any more.
        return not answers.said_goodbye
    return answers.data is not None and rcpt is not None


def _last_of(answers: Answers) -> Reply | None:
    replies = (answers.final, answers.data, *reversed(answers.recipients), answers.mail)
    return next((reply for reply in replies if reply is not None and not reply.positive), None)


def _fate_of(reply: Reply) -> Fate:
    """RFC 5321 §4.2.1: the first digit decides. 251 and 252 are as good as 250 (§4.2.3)."""
    if reply.positive:
        return Fate.ACCEPTED
    return _refusal_of(reply)


def _refusal_of(reply: Reply) -> Fate:
    # 421 is never about the recipient (RFC 5321 §3.8). A 2xx or 3xx out of place says nothing for good either.
    return Fate.REFUSED if reply.permanent else Fate.DEFERRED
