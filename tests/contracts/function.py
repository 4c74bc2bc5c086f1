"""A function for tasks to be pushed to: keeps what it was called with, and answers as a test tells it to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from time import monotonic
from types import TracebackType


@dataclass(frozen=True)
class Call:
    """One request. `number` counts the calls for the same task name, from 0."""

    headers: Message
    body: bytes
    at: float
    connection: int
    number: int

    @property
    def name(self) -> str:
        return str(self.headers["X-CloudTasks-TaskName"])

    @property
    def queue(self) -> str:
        return str(self.headers["X-CloudTasks-QueueName"])


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False  # close the connection after it, without having said so
    say_nothing: bool = False  # close the connection instead of answering


class Function:
    """Listens on a free port of the loopback while it is entered."""

    def __init__(self, answer: Callable[[Call], Answer | None] | None = None) -> None:
        self._answer = answer or (lambda _: None)
        self._changed = Condition()
        self.calls: list[Call] = []
        self.running = self.most_running = 0
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Function:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Call]:
        """The calls so far, once they are at least `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls) >= count, seconds), (
                f"{len(self.calls)} calls came, not {count}"
            )
            return list(self.calls)

    def called(self, headers: Message, body: bytes, connection: int) -> Answer:
        with self._changed:
            number = sum(call.name == headers["X-CloudTasks-TaskName"] for call in self.calls)
            call = Call(headers, body, monotonic(), connection, number)
            self.calls.append(call)
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self._changed.notify_all()
        try:
            return self._answer(call) or Answer()
        finally:
            with self._changed:
                self.running -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


def _handler(function: Function) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = function.called(self.headers, body, self.client_address[1])
            self.close_connection = answer.hang_up or answer.say_nothing
            if answer.say_nothing:
                return
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except ConnectionError:
                self.close_connection = True  # the caller gave up waiting

        def log_message(self, *_: object) -> None:
            pass

    return Handler
