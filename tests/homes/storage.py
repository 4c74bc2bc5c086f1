"""The few calls of Cloud Storage's JSON API that large letters need: Google has no emulator of it.

The one on PyPI, gcp-storage-emulator, passes over ifGenerationMatch, and so lets one upload overwrite another.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote, urlsplit

import google_crc32c

Answer = tuple[int, Mapping[str, str], bytes]


class Storage:
    """Objects by their buckets and names, and the buckets that are there."""

    def __init__(self, *buckets: str) -> None:
        self.buckets = set(buckets)
        self.objects: dict[tuple[str, str], bytes] = {}
        self._uploads: dict[str, tuple[str, str, Mapping[str, str]]] = {}
        self._lock = Lock()

    def write(self, bucket: str, name: str, content: bytes, asked: Mapping[str, str]) -> Answer:
        with self._lock:
            if bucket not in self.buckets:
                return _error(404, "The specified bucket does not exist.")
            if asked.get("ifGenerationMatch") == "0" and (bucket, name) in self.objects:
                return _error(412, "At least one of the pre-conditions you specified did not hold.")
            self.objects[bucket, name] = content
        return _json(200, {"bucket": bucket, "name": name, "size": str(len(content)), "crc32c": _crc32c(content)})

    def begin(self, bucket: str, name: str, asked: Mapping[str, str]) -> str:
        """The path to which the content of a resumable upload is to be put."""
        with self._lock:
            path = f"/upload/{len(self._uploads)}"
            self._uploads[path] = bucket, name, asked
        return path

    def finish(self, path: str, content: bytes) -> Answer:
        bucket, name, asked = self._uploads[path]
        return self.write(bucket, name, content, asked)

    def delete(self, bucket: str, name: str) -> Answer:
        with self._lock:
            found = self.objects.pop((bucket, name), None)
        return _error(404, f"No such object: {bucket}/{name}") if found is None else (204, {}, b"")

    def read(self, bucket: str, name: str) -> Answer:
        if bucket not in self.buckets:
            return 404, {}, b"The specified bucket does not exist."
        content = self.objects.get((bucket, name))
        if content is None:
            return 404, {}, f"No such object: {bucket}/{name}".encode()
        return 200, {"X-Goog-Hash": f"crc32c={_crc32c(content)}", "Content-Type": "application/octet-stream"}, content


@contextmanager
def storage(*buckets: str) -> Iterator[Storage]:
    """Have Cloud Storage's SDK speak to a store of our own that has these buckets."""
    kept = Storage(*buckets)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(kept))
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        with patch.dict(os.environ, {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{server.server_address[1]}"}):
            yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _crc32c(content: bytes) -> str:
    return b64encode(google_crc32c.value(content).to_bytes(4)).decode()


def _json(status: int, content: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def _error(status: int, message: str) -> Answer:
    return _json(status, {"error": {"code": status, "message": message, "errors": [{"message": message}]}})


def _handler(kept: Storage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # the header and the body are two writes
        timeout = 5

        def do_POST(self) -> None:
            path, asked = self._asked()
            bucket = re.fullmatch(r"/upload/storage/v1/b/([^/]+)/o", path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if bucket is None:
                self._say(_error(404, "Not Found"))
            elif asked["uploadType"] == "resumable":
                where = kept.begin(bucket[1], json.loads(body)["name"], asked)
                self._say((200, {"Location": f"http://{self.headers['Host']}{where}"}, b""))
            else:
                named, content = _parts(self.headers["Content-Type"], body)
                self._say(kept.write(bucket[1], named["name"], content, asked))

        def do_PUT(self) -> None:
            self._say(kept.finish(self.path, self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            path, _ = self._asked()
            found = re.fullmatch(r"/download/storage/v1/b/([^/]+)/o/([^/]+)", path)
            self._say(kept.read(found[1], unquote(found[2])) if found else _error(404, "Not Found"))

        def do_DELETE(self) -> None:
            found = re.fullmatch(r"/storage/v1/b/([^/]+)/o/([^/]+)", self._asked()[0])
            self._say(kept.delete(found[1], unquote(found[2])) if found else _error(404, "Not Found"))

        def _asked(self) -> tuple[str, Mapping[str, str]]:
            parts = urlsplit(self.path)
            return parts.path, dict(parse_qsl(parts.query))

        def _say(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _parts(content_type: str, body: bytes) -> tuple[Any, bytes]:
    """What a multipart upload says about its object, and the content (RFC 2387)."""
    boundary = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode()).get_boundary()
    between = b"--" + str(boundary).encode()
    # Taken apart by hand: a mail parser would alter the line ends of the content.
    _, about, rest = body.split(between, 2)
    content = rest[: rest.rindex(b"\r\n" + between)].split(b"\r\n\r\n", 1)[1]
    return json.loads(about.split(b"\r\n\r\n", 1)[1]), content
