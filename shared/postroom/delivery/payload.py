"""What a webhook is told, in Resend's shapes: the same octets at each try.

Each event is about one recipient, who stands alone in `to`. What a server said is told in a sentence with the words
"bounce message", by which clients tell a bounce from an address that was never written to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from postroom.delivery.news import News
from postroom.delivery.parcel import Parcel
from postroom.delivery.record import shown, write_json
from postroom.delivery.submission import Submission

_SUB_TYPES = {
    "no_such_mailbox": "NoEmail",
    "bad_address": "NoEmail",
    "no_such_domain": "NoEmail",
    "null_mx": "NoEmail",
    "mailbox_full": "MailboxFull",
    "size": "MessageTooLarge",
    "spam": "ContentRejected",
    "content": "ContentRejected",
}

_LISTED = {
    "bounce": "it bounced before",
    "complaint": "its owner complained of an earlier letter",
    "manual": "it was put on the list by hand",
}


def letter_event(submission: Submission, parcel: Parcel, place: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """The body for the news at that place of the parcel; `headers` are those that the letter was given."""
    news = parcel.news[place]
    data: dict[str, Any] = {
        "email_id": submission.id,
        "message_id": submission.message_id,
        "created_at": shown(submission.created_at),
        "from": submission.sender,
        "to": [parcel.recipients[news.recipient].address],
        "subject": submission.subject,
        "tags": dict(submission.tags),
    }
    if told := [{"name": name, "value": value} for name, value in headers]:
        data["headers"] = told
    return event(news.type, news.at, data | _details(news))


def event(type_: str, created_at: datetime, data: Mapping[str, Any]) -> bytes:
    """The body of any event."""
    return write_json({"type": type_, "created_at": shown(created_at), "data": data}).encode()


def _details(news: News) -> dict[str, Any]:
    match news.word:
        case "bounced":
            return {"bounce": _bounce(news)}
        case "failed":
            return {"failed": {"reason": news.cause or "failed"}}
        case "suppressed":
            return {"suppressed": _suppressed(news)}
        case _:
            return {}


def _bounce(news: News) -> dict[str, Any]:
    if news.expired:
        message = "The letter was tried until it was too old. The last bounce message was for now"
    else:
        message = "The recipient's mail server sent a bounce message"
    return {
        "message": f"{message}: {news.response or news.cause or 'without a reason'}",
        "type": "Transient" if news.expired else "Permanent",
        "subType": _SUB_TYPES.get(news.cause or "", "General"),
        "diagnosticCode": _diagnostic(news),
    }


def _suppressed(news: News) -> dict[str, Any]:
    cause = news.cause or "manual"
    listed = cause in _LISTED
    why = f"it is on the suppression list: {_LISTED[cause]}" if listed else f"the deployment's settings say so: {cause}"
    return {
        "message": f"postroom has suppressed sending to this address, since {why}",
        "type": "OnAccountSuppressionList" if listed else "Settings",
        "reason": cause,
        "diagnosticCode": _diagnostic(news),
    }


def _diagnostic(news: News) -> list[str]:
    """What the server said, as delivery reports give it."""
    return [] if news.response is None else [f"smtp; {news.response}"]
