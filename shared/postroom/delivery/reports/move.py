"""How a report moves a recipient: by the table of states, and never against what is known better."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

from postroom.delivery.bounces import classify
from postroom.delivery.recipient import REPORTED_UNSIGNED, Recipient
from postroom.delivery.reports.report import Action, Said
from postroom.delivery.status import Status, may
from postroom.smtp.reply import Reply
from postroom.smtp.transcript import escaped
from postroom.smtp.verdict import Stage

_CODED = re.compile(r"([2-5]\d\d)(?:[ -]|$)(?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?", re.ASCII)
_SAYS_NOTHING = re.compile(r"[245]\.0\.0", re.ASCII)


class Effect(StrEnum):
    """What becomes of what a report says."""

    RECORDED = "recorded"  # the recipient is in the state that the report tells of, since now or before
    KEPT = "kept"  # it is in a state that such a report doesn't change
    NOTHING = "nothing_to_record"  # it tells of no end: a delay, say


def moved(
    recipient: Recipient, said: Said, at: datetime, *, signed: bool, himself: bool = True
) -> tuple[Recipient, Effect]:
    """The recipient after the report. Not `himself`: it names somebody else, to whom the letter was passed on."""
    match said.action:
        case Action.FAILED:
            return _bounced(recipient, said, at, signed=signed, himself=himself)
        case Action.COMPLAINED:
            return _complained(recipient, at, signed=signed)
        case Action.DELIVERED if recipient.status is Status.DELIVERED:
            return recipient, Effect.RECORDED
        case Action.DELIVERED if recipient.status is Status.UNKNOWN:
            cause = None if signed else REPORTED_UNSIGNED
            return recipient.moved(Status.DELIVERED, at, cause=cause), Effect.RECORDED
        case Action.DELIVERED:
            return recipient, Effect.KEPT
        case _:
            return recipient, Effect.NOTHING


def _bounced(
    recipient: Recipient, said: Said, at: datetime, *, signed: bool, himself: bool
) -> tuple[Recipient, Effect]:
    if recipient.status is Status.BOUNCED:
        return recipient, Effect.RECORDED
    if not may(recipient.status, Status.BOUNCED):
        return recipient, Effect.KEPT
    code, enhanced, reply = _reply(said)
    refusal = classify(reply, Stage.RCPT)  # who reports 5.1.1 says of the address what a server says at RCPT
    bounced = recipient.moved(
        Status.BOUNCED,
        at,
        code=code,
        enhanced_code=enhanced,
        response=escaped(said.words) or None,
        cause=(refusal.cause if refusal else "refused") if signed else REPORTED_UNSIGNED,
        mx=said.mx or recipient.mx,
        suppress=signed and himself and refusal is not None and refusal.suppress,
        next_attempt_at=None,
    )
    return bounced, Effect.RECORDED


def _complained(recipient: Recipient, at: datetime, *, signed: bool) -> tuple[Recipient, Effect]:
    if recipient.status is Status.COMPLAINED:
        return recipient, Effect.RECORDED
    if recipient.status is Status.UNKNOWN:  # who complains has got it
        recipient = recipient.moved(Status.DELIVERED, at)
    if not may(recipient.status, Status.COMPLAINED):
        return recipient, Effect.KEPT
    cause = recipient.cause if signed else REPORTED_UNSIGNED
    return recipient.moved(Status.COMPLAINED, at, cause=cause), Effect.RECORDED


def _reply(said: Said) -> tuple[int | None, str | None, Reply]:
    """The code and the enhanced code that the report tells, and a reply that says as much.

    Of the two enhanced codes that of the report leads, unless it says nothing: Exim has 5.0.0 for everything.
    """
    match = _CODED.match(said.words) if said.by_smtp else None
    code = int(match[1]) if match else None
    own = match[2] if match else None
    enhanced = own if own and (said.status is None or _SAYS_NOTHING.fullmatch(said.status)) else said.status
    text = said.words[match.end() :] if match else said.words
    if match:
        text = re.sub(rf"(?:^|\s){match[1]}[ -](?:{re.escape(own)} )?" if own else rf"\s{match[1]}-", " ", text)
    # A failure for which no code is told is one for good, unless the report says that it was given up (4.x.x).
    assumed = 450 if enhanced is not None and enhanced.startswith("4") else 550
    refused = code if code is not None and code >= 400 else assumed
    return code, enhanced, Reply(refused, (f"{enhanced} {text.strip()}" if enhanced else text.strip(),))
