"""What a queue or a timer pushes over HTTP, as Cloud Tasks, Cloud Scheduler and the dispatcher of one machine do.

2xx removes a task, whatever became of its letters; anything else brings it back. So only "the outcome could
not be recorded" is an error here: a 5xx for a refused letter would slow the whole queue down, for everybody.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import TypeVar

from flask import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Answer

from postroom.journal import complain, tell_swept
from postroom.ports import Unavailable
from postroom.sweep import Swept

T = TypeVar("T")

LARGEST = 1024 * 1024  # octets: tasks carry ids

Endpoint = Callable[[Request], Answer]

Proof = Callable[[str], str | None]
"""From the header Authorization to why its bearer isn't listened to, or None. May raise `Unavailable`."""


def bearer(secret: str) -> Proof:
    """Whoever shows this secret is listened to."""
    expected = f"Bearer {secret}".encode()

    def refusal(authorization: str) -> str | None:
        shown = authorization.encode("utf-8", "replace")
        return None if hmac.compare_digest(shown, expected) else "the secret is missing or wrong"

    return refusal


def task_endpoint(
    worker: Callable[[], Callable[[T], None]], proof: Proof | None, read: Callable[[bytes], T]
) -> Endpoint:
    """The HTTP face of a worker; `worker` makes the use case at the first task, `read` a task of its body."""

    def work(request: Request) -> dict[str, object]:
        worker()(read(request.get_data()))
        return {"detail": "done"}

    return _endpoint(work, proof)


def timer_endpoint(sweep: Callable[[], Callable[[], Swept]], proof: Proof | None) -> Endpoint:
    """The HTTP face of the sweep; `sweep` makes the use case at the first call."""

    def work(_: Request) -> dict[str, object]:
        return tell_swept(sweep()())

    return _endpoint(work, proof)


def _endpoint(work: Callable[[Request], dict[str, object]], proof: Proof | None) -> Endpoint:
    def endpoint(request: Request) -> Response:
        name = request.headers.get("X-CloudTasks-TaskName", "")
        try:
            refusal = proof(request.headers.get("Authorization", "")) if proof is not None else None
            if refusal is not None:
                return _refusal(401, f"only the queue and the timer are listened to here: {refusal}")
            if request.method != "POST":
                return _refusal(405, "what is pushed comes by POST")
            request.max_content_length = LARGEST
            return _answer(200, work(request))
        except HTTPException as error:  # the framework's own, such as for a body that is too large
            return _refusal(error.code or 400, error.name)
        except Unavailable as error:
            complain(error, "WARNING", task=name)
            return _refusal(503, "the outcome could not be recorded; it must come again")
        except Exception as error:  # the framework would answer with the exception's text
            complain(error, task=name)
            return _refusal(500, "it failed; it must come again")

    return endpoint


def _refusal(status: int, detail: str) -> Response:
    return _answer(status, {"detail": detail})


def _answer(status: int, body: dict[str, object]) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")
