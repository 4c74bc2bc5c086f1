"""One push of a task to a function over HTTP, as Cloud Tasks makes it: the same method, the same headers."""

from __future__ import annotations

import select
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from socket import SHUT_RDWR
from urllib.parse import urlsplit

from postroom.clouds.local.queue import Task
from postroom.delivery.record import microseconds


@dataclass(frozen=True, slots=True)
class Answer:
    """How a push ended: the function's status, or None and why there was no answer."""

    status: int | None
    reason: str = ""
    retry_after: str | None = None

    @property
    def done(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def wait(self, now: datetime) -> float:
        """The seconds that the function asked us to stay away (RFC 9110 §10.2.3), 0 where it didn't."""
        if self.retry_after is None:
            return 0.0
        with suppress(ValueError):
            return float(int(self.retry_after))
        with suppress(ValueError, TypeError):
            return (parsedate_to_datetime(self.retry_after) - now).total_seconds()
        return 0.0


def headers(task: Task) -> dict[str, str]:
    seconds, fraction = divmod(microseconds(task.not_before), 1_000_000)
    told = {
        "Content-Type": "application/json",
        "User-Agent": "postroom",
        "X-CloudTasks-QueueName": task.queue,
        "X-CloudTasks-TaskName": task.name,
        "X-CloudTasks-TaskRetryCount": str(task.retries),
        "X-CloudTasks-TaskExecutionCount": str(task.executions),
        "X-CloudTasks-TaskETA": f"{seconds}.{fraction:06}",
    }
    if task.response is not None:
        told["X-CloudTasks-TaskPreviousResponse"] = str(task.response)
    if task.reason is not None:
        told["X-CloudTasks-TaskRetryReason"] = task.reason
    return told


class Pusher:
    """One thread's connection to one function, kept open between pushes."""

    def __init__(self, url: str, deadline: float) -> None:
        """`deadline`: the seconds that the function may stay silent."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"a function's address on this machine begins with http://: {url!r}")
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection = HTTPConnection(parts.hostname, parts.port, timeout=deadline)
        self._readable = select.poll()
        self._aborted = False

    def push(self, told: Mapping[str, str], body: bytes) -> Answer:
        """Post the body and wait for the answer. Raises nothing: whatever went wrong is the answer's reason."""
        try:
            if self._connection.sock is not None and not self._hung_up():
                with suppress(ConnectionError, HTTPException):
                    return self._post(told, body)
                # The function closed the connection while the request was on its way. It may have run all the
                # same; the claim sorts that out.
            self._connection.close()
            self._connect()
            return self._post(told, body)
        except TimeoutError:
            reason = f"no answer within {self._connection.timeout:g} s"
        except (OSError, HTTPException, ValueError) as error:
            # It becomes a header, so it must not hold what the other side made up.
            reason = f"no answer: {getattr(error, 'strerror', None) or type(error).__name__}"
        self._connection.close()
        return Answer(None, reason)

    def abort(self) -> None:
        """End the push that another thread is making, and let it make no more."""
        self._aborted = True
        with suppress(OSError, AttributeError):
            self._connection.sock.shutdown(SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> None:
        if self._aborted:
            raise ConnectionAbortedError("the dispatcher is stopping")
        self._connection.connect()
        self._readable = select.poll()
        self._readable.register(self._connection.sock, select.POLLIN)

    def _hung_up(self) -> bool:
        # Between two requests a server has nothing to say: what can be read is the end.
        return bool(self._readable.poll(0))

    def _post(self, told: Mapping[str, str], body: bytes) -> Answer:
        self._connection.request("POST", self._path, body, told)
        response: HTTPResponse = self._connection.getresponse()
        response.read()
        return Answer(response.status, f"status {response.status}", response.headers.get("Retry-After"))
