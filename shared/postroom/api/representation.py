"""Letters and attempts as they are shown.

Strict clients want every member each time: lists as lists, absent text as null, times that they can parse.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from postroom.delivery.attempt import Attempt
from postroom.delivery.recipient import Recipient
from postroom.delivery.record import shown
from postroom.delivery.submission import Submission
from postroom.message.attachment import UNKNOWN, Attachment
from postroom.message.letter import Letter


def summary(submission: Submission) -> dict[str, Any]:
    """A letter in a list, without what may be long."""
    return {
        "id": submission.id,
        "message_id": submission.message_id,
        "from": submission.sender,
        "to": submission.to,
        "cc": submission.cc,
        "bcc": submission.bcc,
        "reply_to": submission.reply_to,
        "subject": submission.subject,
        "topic_id": None,
        "created_at": moment(submission.created_at),
        "scheduled_at": moment(submission.scheduled_at),
        "last_event": submission.last_event,
    }


def email(submission: Submission, letter: Letter | None) -> dict[str, Any]:
    """The whole letter; its bodies are null once it is erased."""
    return {
        "object": "email",
        **summary(submission),
        "html": letter and letter.html,
        "text": letter and letter.plain,
        "tags": [{"name": name, "value": value} for name, value in submission.tags],
        "expires_at": moment(submission.expires_at),
        "recipients": [_recipient(each) for each in submission.recipients],
    }


def _recipient(recipient: Recipient) -> dict[str, Any]:
    return {
        "address": recipient.address,
        "kind": recipient.kind,
        "status": recipient.status,
        "attempts": recipient.attempts,
        "possibly_delivered": recipient.possibly_delivered,
        "code": recipient.code,
        "enhanced_code": recipient.enhanced_code,
        "response": recipient.response,
        "cause": recipient.cause,
        "mx": recipient.mx,
        "remote_id": recipient.remote_id,
        "next_attempt_at": moment(recipient.next_attempt_at),
        "updated_at": moment(recipient.updated_at),
    }


def attachment(id_: str, file: Attachment, url: str, until: datetime) -> dict[str, Any]:
    """A file of a letter, and the link to its octets, where they are there."""
    there = file.path is None
    return {
        "id": id_,
        "filename": file.filename,
        "size": len(file.content) if there else None,
        "content_type": file.content_type or UNKNOWN,
        "content_disposition": "attachment" if file.content_id is None else "inline",
        "content_id": file.content_id,
        "download_url": url if there else None,
        "expires_at": moment(until) if there else None,
    }


def attempt(made: Attempt) -> dict[str, Any]:
    """One try at one parcel, with every line that was said."""
    tls = made.tls
    return {
        "id": made.id,
        "destination": made.destination,
        "number": made.number,
        "started_at": moment(made.started_at),
        "finished_at": moment(made.finished_at),
        "route": made.route,
        "mx": made.mx,
        "address": made.address,
        "tls": tls and {name: getattr(tls, name) for name in ("version", "cipher", "verified", "policy")},
        "round_trips": made.round_trips,
        "outcome": made.outcome,
        "note": made.note,
        "transcript": [{"at_ms": line.at_ms, "from": line.speaker, "line": line.text} for line in made.transcript],
    }


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in milliseconds and UTC, the form that every client's parser takes."""
    return None if at is None else shown(at)
