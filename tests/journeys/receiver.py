"""An application that webhooks are told things at: a web server over real TLS that checks each signature."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from unittest.mock import patch

import standardwebhooks
import svix
import trustme

from postroom import wiring
from postroom.account.standard_webhooks import written
from postroom.settings import Settings
from tests.internet.web import certificate
from tests.journeys.office import Office

HOST = "app.example"
ZONE = {(f"{HOST}.", "A"): ["127.0.0.1"]}


@dataclass(frozen=True)
class Event:
    """What was told, in a post whose signature is good."""

    id: str
    type: str
    data: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)  # by their names in lower case
    body: bytes = b""

    @property
    def recipient(self) -> str:
        return str(self.data["to"][0])


@dataclass
class Receiver:
    """Answers by path: with 200, unless `answers` has a path's status or does something else."""

    roots: Path | None  # of who has vouched for it, where it speaks TLS
    port: int = 0
    secrets: dict[str, str] = field(default_factory=dict)  # by path
    answers: dict[str, Callable[[], int]] = field(default_factory=dict)
    heard: dict[str, list[Event]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)  # what couldn't be verified, and why
    _lock: Lock = field(default_factory=Lock)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}" if self.roots is None else f"https://{HOST}:{self.port}{path}"

    def events(self, path: str, email: str | None = None) -> list[Event]:
        """Those that were told there, of that letter."""
        with self._lock:
            return [each for each in self.heard.get(path, ()) if email in (None, each.data.get("email_id"))]

    def listens(self, office: Office, path: str, *events: str) -> str:
        """A webhook of the house that is told there; its id."""
        with patch.dict("os.environ", office.environment):
            settings = wiring.prepare(Settings.from_environment())
            webhook, secret = wiring.webhooks(settings).create(self.url(path), events)
        self.secrets[path] = written(secret)
        return webhook.id

    def hear(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        try:
            for verifier in (standardwebhooks.Webhook, svix.Webhook):
                verifier(self.secrets[path]).verify(body, dict(headers))
            # Also by the names that it has from the service that the scheme grew out of.
            svix.Webhook(self.secrets[path]).verify(
                body, {name: value for name, value in headers.items() if name.startswith("svix-")}
            )
            told = json.loads(body)
        except Exception as error:  # whatever it is, the test is to tell of it
            self.refused.append(f"{path}: {error!r}")
            return 500
        status = self.answers.get(path, lambda: 200)()
        with self._lock:
            self.heard.setdefault(path, []).append(
                Event(headers["webhook-id"], told["type"], told["data"], headers, body)
            )
        return status


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, receiver: Receiver, context: ssl.SSLContext | None) -> None:
        self.receiver, self.context = receiver, context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is None:
            super().finish_request(request, client_address)
            return
        # In the connection's own thread: one that says nothing keeps nobody waiting.
        with self.context.wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, *_: Any) -> None:
        """Whoever is killed in the middle leaves a connection behind."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # whoever posted it was killed on the way
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(self.server.receiver.hear(self.path, headers, body))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(roots: Path | None = None) -> Iterator[Receiver]:
    """One whose authority is written to `roots`, or one without TLS."""
    authority, receiver = trustme.CA(), Receiver(roots)
    if roots is not None:
        authority.cert_pem.write_to_path(str(roots))
    server = _Server(receiver, None if roots is None else certificate(authority, HOST))
    receiver.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
