"""The gateway in front of an HTTP function: turns requests into events of payload format 2.0, and answers back.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import json
import sys
import traceback
from base64 import b64decode, b64encode
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from postroom.clouds.aws.events import Handler
from tests.homes.pollers import Context

LARGEST = 6 * 1024 * 1024  # octets of an event


def event(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    base64: bool = True,
    function_url: bool = False,
) -> dict[str, Any]:
    """The event of a request, as an HTTP API makes it or, in what little it differs, a Function URL."""
    parts = urlsplit(target)
    folded: dict[str, str] = {}
    for name, value in headers:
        folded[name.lower()] = f"{folded[name.lower()]},{value}" if name.lower() in folded else value
    cookies = folded.pop("cookie", "")
    domain = f"id.{'lambda-url' if function_url else 'execute-api'}.eu-central-1.on.aws"
    folded.setdefault("host", domain)
    folded |= {"x-forwarded-proto": "https", "x-forwarded-port": "443", "x-forwarded-for": "192.0.2.1"}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": folded,
        "requestContext": {
            "accountId": "anonymous" if function_url else "123456789012",
            "apiId": "id",
            "domainName": domain,
            "domainPrefix": "id",
            "http": {
                "method": method,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": folded.get("user-agent", ""),
            },
            "requestId": str(uuid4()) if function_url else "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Mar/2026:12:00:00 +0000",
            "timeEpoch": 1772366400000,
        },
        "isBase64Encoded": bool(body) and base64,
    }
    if cookies:
        made["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if body:
        made["body"] = b64encode(body).decode() if base64 else body.decode()
    return made


def body_of(answer: dict[str, Any]) -> bytes:
    """The octets that a function's answer stands for."""
    body: str = answer.get("body", "")
    return b64decode(body) if answer.get("isBase64Encoded") else body.encode()


class Gateway(ThreadingHTTPServer):
    """Serves `handler` over HTTP/1.1."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, handler: Handler) -> None:
        self.handler = handler
        super().__init__((host, port), _Request)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = event(self.command, self.path, self.headers.items(), body)
        if len(json.dumps(asked)) > LARGEST:
            self._answer(413, {"content-type": "application/json"}, b'{"message":"Request Entity Too Large"}')
            return
        try:
            answer = self.server.handler(asked, Context())
        except Exception:  # what the function raises is no business of its callers
            sys.stderr.write(traceback.format_exc())
            self._answer(500, {"content-type": "application/json"}, b'{"message":"Internal Server Error"}')
            return
        cookies = [("set-cookie", cookie) for cookie in answer.get("cookies", ())]
        self._answer(answer["statusCode"], answer.get("headers", {}), body_of(answer), cookies)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, more: Iterable[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in [*headers.items(), *more]:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass
