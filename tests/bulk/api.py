"""The part of the API that a bulk run speaks to, with answers that a test chooses: HTTP on a real socket."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

DROPPED = 0
"""Instead of a status: the connection is closed without an answer, after the work was done."""

Answer = tuple[int, dict[str, Any]]


class Api:
    """Takes batches, keeps letters, and tells of both."""

    def __init__(self) -> None:
        self.port = 0
        self.templates: dict[str, dict[str, Any]] = {}
        self.letters: dict[str, dict[str, Any]] = {}  # by id: the item, and its created_at and last_event
        self.taken: dict[str, Answer] = {}  # by Idempotency-Key
        self.asked: list[tuple[str, str]] = []  # methods and paths
        self.trouble: deque[int] = deque()  # statuses of the next answers to POST
        self.refuses: Callable[[dict[str, Any]], str | None] = lambda _: None
        self.becomes: Callable[[dict[str, Any]], str] = lambda _: "delivered"
        self.may_read = True
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def template(self, name: str, **variables: Any) -> None:
        """A published one. A variable is its type, or its fallback where that isn't None."""
        declared = [
            {"key": key, "type": "number" if value is int else "string", "fallback_value": None}
            if isinstance(value, type)
            else {"key": key, "type": "string", "fallback_value": value}
            for key, value in variables.items()
        ]
        published = "2026-11-01T00:00:00.000Z"
        self.templates[name] = {"id": str(uuid4()), "alias": name, "variables": declared, "published_at": published}

    @property
    def batches(self) -> list[str]:
        """The keys under which something was taken."""
        return list(self.taken)

    @property
    def recipients(self) -> list[str]:
        return [each["item"]["to"] for each in self.letters.values()]

    def answer(self, method: str, path: str, key: str | None, body: Any) -> Answer:
        self.asked.append((method, path))
        parts = urlsplit(path)
        if (method, parts.path) == ("POST", "/emails/batch"):
            assert key is not None
            return self.taken[key] if key in self.taken else self._take(key, body)
        if not self.may_read:
            return _problem(401, "restricted_api_key", "This API key may send and nothing else.")
        _, kind, *rest = parts.path.split("/")
        if kind == "templates":
            found = self.templates.get(unquote(rest[0]))
            return (200, found) if found else _problem(404, "not_found", "There is no template with this id or alias.")
        if rest:
            letter = self.letters[rest[0]]
            cause = "no_such_mailbox" if letter["last_event"] == "bounced" else None
            return 200, {"created_at": letter["created_at"], "recipients": [{"cause": cause}]}
        return 200, self._page({name: values[0] for name, values in parse_qs(parts.query).items()})

    def _take(self, key: str, items: list[dict[str, Any]]) -> Answer:
        data, errors = [], []
        for index, item in enumerate(items):
            if (why := self.refuses(item)) is not None:
                errors.append({"index": index, "message": why})
                continue
            data.append({"id": str(uuid4())})
            self.letters[data[-1]["id"]] = {
                "item": item, "key": key, "created_at": self.now.isoformat(), "last_event": self.becomes(item)
            }  # fmt: skip
        told = 200, {"data": data, "errors": errors}
        if data:
            self.taken[key] = told
        return told

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        found = [
            {"id": id_, "created_at": letter["created_at"], "last_event": letter["last_event"]}
            for id_, letter in reversed(self.letters.items())
            if query.get("status") in (None, letter["last_event"])
            and query.get("idempotency_key") in (None, letter["key"])
            and query.get("tag") in (None, *(f"{tag['name']}:{tag['value']}" for tag in letter["item"]["tags"]))
        ]
        start = next((place + 1 for place, each in enumerate(found) if each["id"] == query.get("after")), 0)
        page = found[start : start + int(query["limit"])]
        more = len(found) > start + len(page)
        return {"data": page, "has_more": more, "next": page[-1]["id"] if more else None}


def _problem(status: int, name: str, message: str) -> Answer:
    return status, {"statusCode": status, "name": name, "message": message}


@contextmanager
def served(api: Api) -> Iterator[Api]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(*api.answer("GET", self.path, None, None))

        def do_POST(self) -> None:
            status = api.trouble.popleft() if api.trouble else None
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if status is not None and status != DROPPED:
                self._say(*_problem(status, "application_error", "Not now."))
                return
            told = api.answer("POST", self.path, self.headers["Idempotency-Key"], body)
            if status is None:
                self._say(*told)

        def _say(self, status: int, document: dict[str, Any]) -> None:
            sent = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield api
        server.shutdown()
        thread.join()
