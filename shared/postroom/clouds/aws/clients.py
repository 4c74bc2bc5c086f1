"""boto3's clients, made when they are first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from postroom.ports import Unavailable

CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 4.0  # seconds: three tries are over while whoever asked still waits
TRIES = 3  # of each call, the first one included
CONNECTIONS = 32  # kept open to each service: as many as a function has threads


class Clients:
    """One client of each service for each process, and all of its threads.

    Region, credentials and endpoints are found by boto3 in the environment. Nothing is imported or opened before the
    first call, and what was made before a fork isn't used after it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: dict[tuple[int, str], Any] = {}

    def dynamodb(self) -> Any:
        return self._client("dynamodb")

    def s3(self) -> Any:
        return self._client("s3")

    def sqs(self) -> Any:
        return self._client("sqs")

    def scheduler(self) -> Any:
        return self._client("scheduler")

    def _client(self, service: str) -> Any:
        made = self._made.get((os.getpid(), service))
        if made is None:
            # A session isn't thread-safe while it makes a client; the client itself is.
            # https://boto3.amazonaws.com/v1/documentation/api/latest/guide/clients.html
            with self._lock:
                made = self._made.get((os.getpid(), service))
                if made is None:
                    made = self._made[os.getpid(), service] = self._make(service)
        return made

    def _make(self, service: str) -> Any:
        with reaching(f"AWS, for its {service} client,"):
            import boto3
            from botocore.config import Config

            config = Config(
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": TRIES},
                max_pool_connections=CONNECTIONS,
            )
            return boto3.session.Session().client(service, config=config)


@contextmanager
def reaching(home: str) -> Iterator[None]:
    """Turn every error of the SDK into `Unavailable`, naming the home that could not be reached."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"{home} could not be reached: {error}") from error


def code_of(error: Any) -> str:
    """The service's own word for what a ClientError is about."""
    return str(error.response.get("Error", {}).get("Code", ""))
