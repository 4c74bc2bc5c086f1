"""Events that nothing has happened for, so that a webhook's receiver can be tried out. Their ids are nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOBODY = "00000000-0000-8000-8000-000000000000"
"""The id of what a sample is about."""

_LETTER = {
    "email_id": NOBODY,
    "message_id": "<test-event@example.com>",
    "from": "Shop <shop@example.com>",
    "to": ["customer@example.com"],
    "subject": "A test event: there is no such letter",
    "tags": {"category": "test_event"},
}

_DETAILS: Mapping[str, Mapping[str, Any]] = {
    "email.bounced": {
        "bounce": {
            "message": "The recipient's mail server sent a bounce message: no such user",
            "type": "Permanent",
            "subType": "NoEmail",
            "diagnosticCode": ["smtp; 550 5.1.1 no such user"],
        }
    },
    "email.failed": {"failed": {"reason": "letter_lost"}},
    "email.suppressed": {
        "suppressed": {
            "message": "postroom has suppressed sending to this address, since it is on the suppression list",
            "type": "OnAccountSuppressionList",
            "reason": "bounce",
            "diagnosticCode": [],
        }
    },
}

_OTHERS: Mapping[str, Mapping[str, Any]] = {
    "domain": {
        "id": NOBODY,
        "name": "example.com",
        "status": "verified",
        "region": "us-east-1",
        "capabilities": {"sending": "enabled", "receiving": "disabled"},
        "tls": "opportunistic",
        "open_tracking": False,
        "click_tracking": False,
        "records": [],
        "recommended": [],
    },
    "suppression": {"id": NOBODY, "email": "customer@example.com", "origin": "manual", "source_id": None},
    "webhook": {"id": NOBODY, "endpoint": "https://example.com/webhook", "why": "this is a test event"},
}


def sample(type_: str, at: str) -> Mapping[str, Any]:
    """The data of an event of one of our types, as if it had happened at that moment."""
    family = type_.partition(".")[0]
    if family == "email":
        return {**_LETTER, "created_at": at, **_DETAILS.get(type_, {})}
    return _OTHERS[family] if family == "webhook" else {**_OTHERS[family], "created_at": at}
