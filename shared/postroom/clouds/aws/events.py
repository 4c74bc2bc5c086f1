"""The events that Lambda brings, told apart by their shape.

HTTP: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
SQS: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from postroom.journal import complain

Handler = Callable[[Any, Any], Any]
"""A Lambda function: called with an event and a context; what it returns must be JSON."""

Message = Mapping[str, Any]
"""One message of a batch from SQS."""


class ForeignEvent(ValueError):
    """The event isn't of the kind that this function is for: a mistake in how it is wired."""


def expect(event: Any, is_right: Callable[[Any], bool], wanted: str) -> None:
    """Raises `ForeignEvent` and logs it, before anything is done with an event that isn't `wanted`."""
    if is_right(event):
        return
    # Only its shape is told: an HTTP event would carry a key.
    shape = sorted(map(str, event)) if isinstance(event, dict) else type(event).__name__
    error = ForeignEvent(f"this function is called with {wanted}, and was called with {shape}")
    complain(error)
    raise error


def is_http(event: Any) -> bool:
    """A request to an HTTP API or a Function URL, payload format 2.0."""
    if not isinstance(event, dict) or event.get("version") != "2.0" or not isinstance(event.get("headers"), dict):
        return False
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    return (
        isinstance(http, dict)
        and all(isinstance(http.get(name), str) for name in ("method", "protocol", "sourceIp"))
        and all(isinstance(event.get(name), str) for name in ("rawPath", "rawQueryString"))
    )


def is_timer(event: Any) -> bool:
    """{"postroom": "sweep"}, the input to give a schedule of EventBridge Scheduler, or the event of a scheduled rule
    of EventBridge: {"source": "aws.events", "detail-type": "Scheduled Event", ...}.
    """
    if not isinstance(event, dict):
        return False
    scheduled = (event.get("source"), event.get("detail-type")) == ("aws.events", "Scheduled Event")
    return scheduled or event == {"postroom": "sweep"}


def is_batch(event: Any) -> bool:
    """Messages of an SQS queue."""
    messages = event.get("Records") if isinstance(event, dict) else None
    return (
        isinstance(messages, list)
        and bool(messages)
        and all(isinstance(each, dict) and each.get("eventSource") == "aws:sqs" for each in messages)
    )
