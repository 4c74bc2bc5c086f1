"""A web server that letters' files are fetched from, over real TLS, and what it was asked for."""

from __future__ import annotations

import ssl
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.internet.peer import Guest, serving
from tests.internet.web import certificate, page

HOST, STRANGER = "files.example", "stranger.example"
ZONE = {(f"{host}.", "A"): ["127.0.0.1"] for host in (HOST, STRANGER)} | {
    ("metadata.example.", "A"): ["169.254.169.254"],
    ("inside.example.", "A"): ["10.0.0.1"],
}


@dataclass
class FileServer:
    """Serves what a test puts into `files`, by path; what isn't there is 404. `sooner` is said before it."""

    roots: Path  # of who has vouched for it
    port: int = 0
    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    sooner: dict[str, deque[str]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def url(self, path: str, host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"

    def serve(self, guest: Guest, context: ssl.SSLContext) -> None:
        guest.encrypt(context)
        path = guest.hear(b"\r\n\r\n").split()[1].decode()
        self.asked[path] += 1
        if self.sooner.get(path):
            guest.sock.sendall(page(b"SECRET-OF-THE-SERVER", status=self.sooner[path].popleft()))
        elif path in self.files:
            content, media_type = self.files[path]
            guest.sock.sendall(page(content, media_type=media_type))
        else:
            guest.sock.sendall(page(b"SECRET-OF-THE-SERVER", status="404 Not Found"))


@contextmanager
def file_server(roots: Path) -> Iterator[FileServer]:
    """One whose authority is written to `roots`; its certificate is for `HOST` alone."""
    authority, server = trustme.CA(), FileServer(roots)
    authority.cert_pem.write_to_path(str(roots))
    context = certificate(authority, HOST)
    with serving(lambda guest: server.serve(guest, context)) as server.port:
        yield server
