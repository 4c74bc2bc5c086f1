"""Cloud Tasks as its own client sees it over REST: the queue of one machine behind the calls that are made of it.

python -m tests.homes.cloudtasks PARENT FOLDER URL NOTIFY_URL SERVICE_ACCOUNT PORT SWEEP_URL SECONDS

ends when the process PARENT does. It plays Cloud Scheduler too, which calls SWEEP_URL every SECONDS.

Google has no emulator for it. This one refuses what Cloud Tasks refuses
(https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks): names that were used within
the hour, tasks too large or too far ahead, and those whose function couldn't tell who calls. It pushes to one function,
and what is in the queue of the webhooks to another, with an OIDC token signed with a key of its own, whose certificate
is at /certs.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from google.auth import jwt
from google.auth.crypt import RSASigner

from postroom.clouds.local.bell import Bell
from postroom.clouds.local.database import Database
from postroom.clouds.local.invocation import Backoff, Dispatcher
from postroom.clouds.local.queue import Queue
from postroom.clouds.local.timer import Timer
from postroom.delivery.notice import QUEUE
from postroom.house.child import end_with_parent
from postroom.house.signals import on_stop

SERVICE_ACCOUNT = "queue@demo.iam.gserviceaccount.com"
AUDIENCE = "https://deliver.example"
FURTHEST = timedelta(days=30)
LARGEST = 1024 * 1024  # octets
NAME = re.compile(r"[A-Za-z0-9_-]{1,500}")
TASKS = re.compile(r"/v2/(projects/[^/]+/locations/[^/]+/queues/([^/]+))/tasks(?:/([^/]+))?")

Answer = tuple[int, Any]
NOTHING: Mapping[str, str] = MappingProxyType({})


class Keys:
    """A key that signs tokens as Google signs them, and the certificate that proves it."""

    def __init__(self, key_id: str = "one", key: RSAPrivateKey | None = None) -> None:
        self.key_id = key_id
        self._key = key or generate_private_key(public_exponent=65537, key_size=2048)

    @classmethod
    def kept_in(cls, folder: Path) -> Keys:
        """Those of a process that may be killed and started again: functions remember certificates for an hour."""
        file = folder / "signing-key.pem"
        if not file.exists():
            made = generate_private_key(public_exponent=65537, key_size=2048)
            file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(file.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        return cls(key=key)

    def token(self, now: datetime, **claims: Any) -> str:
        """A token of an hour, for the usual account and audience where `claims` don't say otherwise."""
        issued = int(now.timestamp())
        usual = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": SERVICE_ACCOUNT,
            "email_verified": True,
            "iat": issued,
            "exp": issued + 3600,
        }
        signer = RSASigner(self._key, self.key_id)  # type: ignore[no-untyped-call]  # it comes without types
        return str(jwt.encode(signer, {**usual, **claims}).decode())  # type: ignore[no-untyped-call]

    def certificates(self) -> Mapping[str, str]:
        """As they are at https://www.googleapis.com/oauth2/v1/certs."""
        return {self.key_id: _certificate(self._key)}


@dataclass
class CloudTasks:
    """Stores tasks in `database`, to be pushed to `url`; `notify` is where those for webhooks go."""

    database: Database
    url: str
    service_account: str = SERVICE_ACCOUNT
    notify: CloudTasks | None = None
    keys: Keys = field(default_factory=Keys)
    answers_to_lose: int = 0  # so many of the next calls are done, and the connection closed without a word
    created: list[Any] = field(default_factory=list)

    def of(self, queue_id: str) -> CloudTasks:
        """Where the tasks of that queue lie."""
        return self.notify if self.notify is not None and queue_id.endswith(f"-{QUEUE}") else self

    def create(self, queue: str, queue_id: str, task: Any) -> Answer:
        now = datetime.now(UTC)
        wrong = self._wrong(task, now)
        start, _, name = str(task.get("name", "")).rpartition("/")
        if not wrong and (start != f"{queue}/tasks" or not NAME.fullmatch(name)):
            wrong = "the task's name is not one of this queue"
        if wrong:
            return _error(400, "INVALID_ARGUMENT", wrong)
        body = base64.b64decode(task["httpRequest"].get("body", ""))
        not_before = datetime.fromisoformat(task["scheduleTime"]) if "scheduleTime" in task else now
        if not Queue(self.database).put([(queue_id, name, body, not_before, None)], now):
            return _error(409, "ALREADY_EXISTS", "The task cannot be created because a task with this name existed")
        Bell(self.database.folder).ring()
        self.created.append(task)
        return 200, {**task, "scheduleTime": not_before.isoformat()}

    def delete(self, name: str) -> Answer:
        if Queue(self.database).cancel(name, datetime.now(UTC)):
            return 200, {}
        return _error(404, "NOT_FOUND", "The task does not exist.")

    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.database, {"": self.url}, proof=self.proof(self.url), backoff=Backoff(0.02))

    def proof(self, audience: str) -> Mapping[str, str]:
        """What shows the functions who calls."""
        token = self.keys.token(datetime.now(UTC), email=self.service_account, aud=audience)
        return {"Authorization": f"Bearer {token}"}

    def _wrong(self, task: Any, now: datetime) -> str | None:
        """What Cloud Tasks, or the function's own check, would object to."""
        request = task.get("httpRequest", {})
        token = request.get("oidcToken", {})
        deadline = task.get("dispatchDeadline")
        far = datetime.fromisoformat(task["scheduleTime"]) - now if "scheduleTime" in task else timedelta()
        objections = {
            "the URL is not the function's": str(request.get("url")).rstrip("/") != self.url.rstrip("/"),
            "the method is not POST": request.get("httpMethod") not in ("POST", 1),
            "the body is not declared as JSON": request.get("headers", {}).get("Content-Type") != "application/json",
            "the token is of no known service account": token.get("serviceAccountEmail") != self.service_account,
            "the token is for another audience": token.get("audience") != self.url,
            "the schedule time is too far ahead": far > FURTHEST,
            "the dispatch deadline is not between 15 s and 30 min": deadline is not None
            and not 15.0 <= float(deadline.rstrip("s")) <= 1800.0,
            "the task is too large": len(json.dumps(task)) > LARGEST,
        }
        return next((why for why, so in objections.items() if so), None)


class Service:
    """The HTTP face of `tasks`, on a free port of the loopback."""

    def __init__(self, tasks: CloudTasks, port: int = 0) -> None:
        self.tasks = tasks
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(tasks))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.certs_url = f"{self.endpoint}/certs"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer, and push what is due."""
        dispatchers = [each.dispatcher() for each in (self.tasks, self.tasks.notify) if each is not None]
        threads = [
            Thread(target=self._server.serve_forever, args=(0.02,), name="cloud tasks"),
            *(Thread(target=each.run, name="dispatcher") for each in dispatchers),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for each in dispatchers:
                each.stop()
            self._server.shutdown()
            for thread in threads:
                thread.join()
            self._server.server_close()


@contextmanager
def cloudtasks(folder: Path, url: str, notify_url: str = "") -> Iterator[Service]:
    """Cloud Tasks in this process, which pushes to `url`, and to `notify_url` what is for webhooks."""
    with databases(folder) as (tasks, notices):
        keys = Keys()
        service = Service(CloudTasks(tasks, url, notify=CloudTasks(notices, notify_url, keys=keys), keys=keys))
        with service.serving():
            yield service


@contextmanager
def databases(folder: Path) -> Iterator[tuple[Database, Database]]:
    """Of the tasks, and of what is for webhooks."""
    both = Database(folder), Database(folder / QUEUE)
    for each in both:
        each.prepare()
    yield both
    for each in both:
        each.close()


def _handler(tasks: CloudTasks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # the header and the body are two writes
        timeout = 30

        def do_GET(self) -> None:
            if self.path == "/certs":
                self._say((200, tasks.keys.certificates()), {"Cache-Control": "public, max-age=3600"})
            else:
                self._say(_error(404, "NOT_FOUND", self.path))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = TASKS.fullmatch(urlsplit(self.path).path)
            if asked is None or asked[3] is not None:
                self._say(_error(404, "NOT_FOUND", self.path))
            else:
                self._say(tasks.of(asked[2]).create(asked[1], asked[2], body.get("task", {})))

        def do_DELETE(self) -> None:
            asked = TASKS.fullmatch(urlsplit(self.path).path)
            known = asked is not None and asked[3] is not None
            missing = _error(404, "NOT_FOUND", self.path)
            self._say(tasks.of(asked[2]).delete(asked[3]) if asked is not None and known else missing)

        def _say(self, answer: Answer, headers: Mapping[str, str] = NOTHING) -> None:
            if tasks.answers_to_lose > 0:
                tasks.answers_to_lose -= 1
                self.close_connection = True
                return
            body = json.dumps(answer[1]).encode()
            try:
                self.send_response(answer[0])
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True  # the caller gave up waiting

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _error(code: int, status: str, message: str) -> Answer:
    return code, {"error": {"code": code, "message": message, "status": status}}


def _certificate(key: RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def main(
    parent: str, folder: str, url: str, notify_url: str, service_account: str, port: str, sweep_url: str, seconds: str
) -> None:
    end_with_parent(int(parent))
    ended = Event()
    on_stop(ended.set)
    with databases(Path(folder)) as (deliveries, notices):
        keys = Keys.kept_in(Path(folder))
        notify = CloudTasks(notices, notify_url, service_account, keys=keys)
        tasks = CloudTasks(deliveries, url, service_account, notify, keys)
        every = timedelta(seconds=float(seconds))
        timer = Timer(sweep_url, every, tasks.proof(sweep_url), timedelta(minutes=1))
        with Service(tasks, int(port)).serving():
            timer.start()
            ended.wait()
            timer.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
