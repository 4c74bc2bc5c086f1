"""A task pushed over HTTP, as Cloud Tasks and the queue of one machine do it.

2xx removes the task, whatever became of its letters; anything else brings it back. So only "the outcome could
not be recorded" is an error here: a 5xx for a refused letter would slow the whole queue down, for everybody.
"""

from __future__ import annotations

import hmac
import json
import sys
import traceback
from collections.abc import Callable

from flask import Request, Response

from postroom.delivery.task import DeliveryTask
from postroom.ports import Unavailable

LARGEST = 1024 * 1024  # octets: tasks carry ids

Endpoint = Callable[[Request], Response]


def task_endpoint(deliver: Callable[[], Callable[[DeliveryTask], None]], secret: str | None = None) -> Endpoint:
    """The HTTP face of a worker; `deliver` makes the use case at the first task.

    With a `secret`, only who shows it as a bearer token is listened to.
    """
    proof = f"Bearer {secret}".encode()

    def endpoint(request: Request) -> Response:
        if secret is not None:
            shown = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(shown, proof):
                return _answer(401, "only the queue may push tasks here")
        if request.method != "POST":
            return _answer(405, "a task is pushed by POST")
        request.max_content_length = LARGEST
        name = request.headers.get("X-CloudTasks-TaskName", "")
        try:
            deliver()(DeliveryTask.from_body(request.get_data()))
        except Unavailable as error:
            _log(name, error)
            return _answer(503, "the outcome could not be recorded; the task must come again")
        except Exception as error:  # the framework would answer with the exception's text
            _log(name, error)
            return _answer(500, "the task failed; it must come again")
        return _answer(200, "done")

    return endpoint


def _answer(status: int, detail: str) -> Response:
    return Response(json.dumps({"detail": detail}), status, content_type="application/json")


def _log(task: str, error: Exception) -> None:
    last = "".join(traceback.format_exception(error))
    entry = {"severity": "ERROR", "task": task, "error": repr(error), "traceback": last}
    sys.stderr.write(json.dumps(entry) + "\n")
