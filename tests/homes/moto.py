"""AWS as moto plays it, over HTTP, and what one deployment has of it.

python -m tests.homes.moto PARENT serves it until the process PARENT ends, and prints its address.
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import uuid4

from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.creation import INDEX
from postroom.house.child import end_with_parent
from tests.homes.child import ROOT, child_environment

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REGION = "eu-central-1"

_KEYS: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "stripe", "created")
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": INDEX,
            "KeySchema": [
                {"AttributeName": "stripe", "KeyType": "HASH"},
                {"AttributeName": "created", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


def missing() -> str | None:
    """What there is to install, or None where nothing is missing."""
    absent = [name for name in ("apig_wsgi", "boto3", "moto", "flask_cors") if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


@cache
def environment() -> Mapping[str, str]:
    """The environment in which the SDK speaks to moto, which this process starts once and which ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(os.getpid())],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=child_environment(),
    )
    assert process.stdout is not None
    with process.stdout:
        address = process.stdout.readline().strip()
    assert address, "moto didn't start"
    atexit.register(_stop, process)
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


class Deployment:
    """A table, a bucket, a schedule group and queues of its own, all under one random name."""

    role = "arn:aws:iam::123456789012:role/postroom-scheduler"

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.name = f"postroom-{uuid4().hex[:12]}"
        self._queues: dict[str, str] = {}
        location = {"LocationConstraint": REGION}
        clients.dynamodb().create_table(TableName=self.name, BillingMode="PAY_PER_REQUEST", **_KEYS)
        clients.s3().create_bucket(Bucket=self.name, CreateBucketConfiguration=location)
        clients.scheduler().create_schedule_group(Name=self.name)

    def queue(self, traffic_class: str) -> str:
        """The URL of the class's queue, which is made when it is first asked for."""
        if traffic_class not in self._queues:
            made = self.clients.sqs().create_queue(QueueName=f"{self.name}-{traffic_class}")
            self._queues[traffic_class] = made["QueueUrl"]
        return self._queues[traffic_class]

    def arn(self, traffic_class: str) -> str:
        account, name = self.queue(traffic_class).rsplit("/", 2)[1:]
        return f"arn:aws:sqs:{REGION}:{account}:{name}"


@contextmanager
def deployed() -> Iterator[Deployment]:
    """A deployment, with this process's environment such that the SDK finds it."""
    with patch.dict(os.environ, environment()):
        yield Deployment(_clients())


@cache
def _clients() -> Clients:
    """This process's, since a test's own would cost it half a second."""
    return Clients()


class OneAtATime:
    """WSGI middleware: calls of DynamoDB one after another, since moto's conditional writes aren't atomic."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
            return self._application(environ, start_response)
        with self._lock:
            return list(self._application(environ, start_response))


def main(parent: int) -> None:
    end_with_parent(parent)
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
