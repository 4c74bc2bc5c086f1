"""A batch of SQS messages: worked at all at once, each of which fails by itself.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from postroom.at_once import at_once
from postroom.clouds.aws.clients import Clients, reaching
from postroom.clouds.aws.events import Message
from postroom.journal import complain
from postroom.ports import Unavailable

FIRST_PAUSE, LONGEST_PAUSE = 10, 900  # seconds until a failed message comes again, doubling


def each(messages: Sequence[Message], work: Callable[[Message], None], failed: Callable[[Message], None]) -> Any:
    """Work at all of them at once. The answer names those that failed, and SQS brings these again."""

    def succeeds(message: Message) -> bool:
        try:
            work(message)
        except Exception as error:  # whatever it was, the other messages are not to come again for it
            complain(error, "WARNING" if isinstance(error, Unavailable) else "ERROR", **which(message))
            failed(message)
            return False
        return True

    outcomes = at_once(succeeds, messages, most=len(messages))  # no destination waits for another
    failures = [message["messageId"] for message, succeeded in zip(messages, outcomes, strict=True) if not succeeded]
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failures]}


def body_of(message: Message) -> bytes:
    """What was put into the queue."""
    return str(message["body"]).encode("utf-8", "surrogatepass")


def pause(clients: Clients, message: Message) -> None:
    """Have a message come again after a while: the longer, the more often it came. Raises nothing."""
    try:
        received = int(message["attributes"]["ApproximateReceiveCount"])
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(received - 1, 10))
        account, name = message["eventSourceARN"].split(":")[4:]
        sqs = clients.sqs()
        with reaching(f"the queue {name}"):
            sqs.change_message_visibility(
                QueueUrl=f"{sqs.meta.endpoint_url}/{account}/{name}",
                ReceiptHandle=message["receiptHandle"],
                VisibilityTimeout=int(seconds),
            )
    except (Unavailable, KeyError, ValueError) as error:
        # It comes again when its time out of sight is over, as it would have without us.
        complain(error, "WARNING", what="the pause of a message could not be set", **which(message))


def which(message: Message) -> dict[str, Any]:
    """What the log says of the message that something happened to."""
    return {"message_id": message.get("messageId"), "queue": message.get("eventSourceARN")}
