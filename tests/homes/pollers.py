"""What Lambda's pollers do: bring the messages of a queue to a handler, and delete what it is done with.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Event, Thread
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.events import Handler

PAUSE = 0.25  # seconds


class Context:
    """What Lambda tells a function of its invocation."""

    def __init__(self) -> None:
        self.aws_request_id = str(uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


class Running(ABC):
    """Runs in a thread while it is entered."""

    def __enter__(self) -> Self:
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Go on until `_stop` is set."""


class Poller(Running):
    """Polls one queue while it is entered, with at most `at_once` batches of `batch` messages under way.

    `pause` are the seconds between two looks into an empty queue. What is under way in the end is waited for.
    """

    def __init__(
        self,
        clients: Clients,
        queue: str,
        handler: Handler,
        *,
        batch: int = 10,
        at_once: int = 4,
        pause: float = PAUSE,
    ) -> None:
        self._sqs = clients.sqs()
        self._queue = queue
        account, name = queue.rsplit("/", 2)[1:]
        self._arn = f"arn:aws:sqs:{self._sqs.meta.region_name}:{account}:{name}"
        self._handler = handler
        self._batch = batch
        self._at_once = at_once
        self._pause = pause
        self._room = BoundedSemaphore(at_once)

    def _run(self) -> None:
        with ThreadPoolExecutor(self._at_once) as pool:
            while not self._stop.is_set():
                self._room.acquire()
                messages = self._received()
                if messages:
                    pool.submit(self._bring, messages).add_done_callback(self._leave)
                else:
                    self._room.release()
                    self._stop.wait(self._pause)

    def _leave(self, _: Any) -> None:
        self._room.release()

    def _received(self) -> list[dict[str, Any]]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue, MaxNumberOfMessages=self._batch, MessageSystemAttributeNames=["All"]
            )
        except Exception:  # the queue is out of reach; the next look may go well
            sys.stderr.write(traceback.format_exc())
            return []
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _bring(self, messages: list[dict[str, Any]]) -> None:
        try:
            failed = {each["itemIdentifier"] for each in self._invoked(batch(messages, self._arn))}
            for message in messages:
                if message["MessageId"] not in failed:
                    self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        except Exception:  # an exception fails the whole batch, which comes again
            sys.stderr.write(traceback.format_exc())

    def _invoked(self, event: dict[str, Any]) -> list[dict[str, str]]:
        answer: dict[str, list[dict[str, str]]] = self._handler(event, Context())
        return answer["batchItemFailures"]


def batch(messages: list[dict[str, Any]], arn: str) -> dict[str, Any]:
    """The event of these messages, as `ReceiveMessage` hands them out."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": arn.split(":")[3],
            }
            for message in messages
        ]
    }


class Timer(Running):
    """Calls `work` every so many seconds while it is entered."""

    def __init__(self, work: Callable[[], object], seconds: float) -> None:
        self._work = work
        self._seconds = seconds

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._work()
            except Exception:  # the next call may go well
                sys.stderr.write(traceback.format_exc())
