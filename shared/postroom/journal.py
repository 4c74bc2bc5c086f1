"""What an operator reads while it runs: lines of JSON, which the log collectors of every home understand."""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict
from datetime import timedelta

from postroom.delivery.attempt import Attempt
from postroom.delivery.status import Outcome
from postroom.sweep import Swept


def tell(attempt: Attempt) -> None:
    """How an attempt ended, on standard output."""
    took = attempt.finished_at - attempt.started_at
    line = {
        "severity": "INFO" if attempt.outcome in (Outcome.ACCEPTED, Outcome.NOT_ATTEMPTED) else "WARNING",
        "time": attempt.finished_at.isoformat(timespec="milliseconds"),
        "message": f"attempt {attempt.number} to {attempt.destination}: {attempt.outcome}",
        "email_id": attempt.submission,
        "attempt_id": attempt.id,
        "destination": attempt.destination,
        "route": attempt.route,
        "mx": attempt.mx,
        "outcome": attempt.outcome,
        "reply": next((each.text for each in reversed(attempt.transcript) if each.speaker == "server"), None),
        "note": attempt.note,
        "took_ms": round(took / timedelta(milliseconds=1)),
    }
    sys.stdout.write(json.dumps({name: value for name, value in line.items() if value is not None}) + "\n")
    sys.stdout.flush()


def note(message: str, **told: object) -> None:
    """What was done, on standard output."""
    sys.stdout.write(json.dumps({"severity": "INFO", "message": message, **told}) + "\n")
    sys.stdout.flush()


def tell_swept(swept: Swept) -> dict[str, object]:
    """What a sweep did, as its timer is answered; an operator is told where it found something."""
    told: dict[str, object] = asdict(swept)
    if swept.put_back or swept.told or not swept.caught_up:
        note("the sweep found what was stranded", **told)
    return told


def complain(error: Exception, severity: str = "ERROR", **told: object) -> None:
    """What went wrong and where, on standard error; `told` says what it happened to."""
    stack = "".join(traceback.format_exception(error))
    line = {"severity": severity, "message": f"{type(error).__name__}: {error}", **told, "stack_trace": stack}
    sys.stderr.write(json.dumps(line) + "\n")


def warn(error: Exception) -> None:
    """What went wrong and was overcome."""
    complain(error, "WARNING")
