"""What Lambda calls: events from HTTP, from SQS and from a timer, each turned into the use case behind it.

An event of another kind is refused before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from postroom.clouds.aws import batch
from postroom.clouds.aws.batch import body_of, which
from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.events import Handler, Message, expect, is_batch, is_http, is_timer
from postroom.delivery.notice import read_queued
from postroom.journal import complain, note, tell_swept
from postroom.ports import Schedule
from postroom.sweep import Swept

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

T = TypeVar("T")

AFTER_DEATH = timedelta(minutes=15)  # until a task comes again that its queue has given up
LONGEST_TEXT = 64 * 1024  # characters of a message that can't be read; a log line takes 256 KB


def http_handler(app: WSGIApplication) -> Handler:
    """The face of an HTTP function: events of an HTTP API or a Function URL, payload format 2.0.

    Lambda takes 6 MB of JSON: 4.5 MB of a body that isn't text, since it comes as base64. Whoever sends more is
    answered 413 in front of us. A request that brings no X-Request-Id gets the gateway's, which its log knows.
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    from apig_wsgi import make_lambda_handler

    handle = make_lambda_handler(app)

    def handler(event: Any, context: Any) -> Any:
        expect(event, is_http, "an HTTP request (payload format 2.0)")
        request_id = {"x-request-id": event["requestContext"].get("requestId", "")}
        return handle({**event, "headers": request_id | event["headers"]}, context)

    return handler


def task_handler(worker: Callable[[], Callable[[T], None]], clients: Clients, read: Callable[[bytes], T]) -> Handler:
    """The face of a worker: batches of SQS messages, each a task that `read` reads; `worker` makes the use case.

    Each task has a thread, so destinations don't wait for each other. Whatever became of its letters, a task that ran
    is done with. One that raises is reported as failed and comes again after a pause; so does a message that isn't
    a task, since a newer version may have put it: it ends in the dead-letter queue, and nothing is dropped unseen.
    """

    def work(message: Message) -> None:
        worker()(read(body_of(message)))

    def handler(event: Any, _: Any) -> Any:
        expect(event, is_batch, "a batch of SQS messages")
        return batch.each(event["Records"], work, lambda message: batch.pause(clients, message))

    return handler


def sweep_handler(
    sweep: Callable[[], Callable[[], Swept]], schedule: Schedule, clock: Callable[[], datetime]
) -> Handler:
    """The face of the sweep: called by its timer, and with the messages of the dead-letter queue.

    A dead letter's task is put again, under names that nobody has used, after fifteen minutes. That is no endless
    loop: a parcel counts the workers that died with it and is parked, and a notice ends with its news.
    """

    def revive(message: Message) -> None:
        try:
            task = read_queued(body_of(message))
        except ValueError as error:
            # Its parcels, if it named any, are found by the sweep itself.
            complain(error, what="a dead letter is dropped", text=str(message["body"])[:LONGEST_TEXT], **which(message))
            return
        again = task.again()
        schedule.put(again, clock() + AFTER_DEATH)
        note("a task that its queue had given up is put again", task=task.name, again=again.name, **which(message))

    timer = timer_handler(sweep)

    def handler(event: Any, context: Any) -> Any:
        if is_batch(event):
            return batch.each(event["Records"], revive, lambda _: None)
        return timer(event, context)

    return handler


def timer_handler(sweep: Callable[[], Callable[[], Swept]]) -> Handler:
    """The face of a function that a timer calls; `sweep` makes the use case at the first call."""

    def handler(event: Any, _: Any) -> Any:
        expect(event, is_timer, "a timer's event")
        return tell_swept(sweep()())

    return handler
