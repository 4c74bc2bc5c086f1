"""Where an office stands: on one machine, or in a cloud that is played around the same functions."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

import pytest

from postroom.account.seal import pair
from postroom.house.supervisor import free_port
from tests.homes import firestore, moto, storage
from tests.homes.gate import Gate

COMMAND = [sys.executable, "-m", "postroom.cli"]
PLAYED = [sys.executable, "-m", "tests.homes.house"]


class Barrier(Protocol):
    """While it is shut, nobody gets through; nobody is turned away either."""

    def shut(self) -> None: ...
    def open(self) -> None: ...


@dataclass(frozen=True)
class Place:
    """What one office needs beside its own settings, and the barriers before what it depends on."""

    home: str
    command: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    barriers: Mapping[str, Barrier] = field(default_factory=dict)  # before the "store", before the "queue"


def on_one_machine() -> Place:
    return Place("local", [*COMMAND, "serve"])


@contextmanager
def local(*, gated: bool = False) -> Iterator[Place]:  # noqa: ARG001  there is nothing to put a gate before
    yield on_one_machine()


@contextmanager
def gcp(*, gated: bool = False) -> Iterator[Place]:
    if absent := firestore.missing():
        pytest.skip(absent)
    tasks, project = f"127.0.0.1:{free_port('127.0.0.1')}", f"demo-{uuid4().hex[:12]}"
    with ExitStack() as stack:
        store = stack.enter_context(firestore.firestore())
        stack.enter_context(storage.storage("letters"))
        gates = {"store": Gate(store), "queue": Gate(tasks)} if gated else {}
        for gate in gates.values():
            stack.enter_context(gate)
        yield Place(
            "gcp",
            PLAYED,
            {
                "POSTROOM_CLOUD": "gcp",
                "POSTROOM_PROJECT": project,
                "POSTROOM_BUCKET": "letters",
                "POSTROOM_QUEUES": f"projects/{project}/locations/here/queues/postroom-",
                "POSTROOM_DELIVER_URL": f"http://127.0.0.1:{free_port('127.0.0.1')}/",
                "POSTROOM_NOTIFY_URL": f"http://127.0.0.1:{free_port('127.0.0.1')}/",
                "POSTROOM_SWEEP_URL": f"http://127.0.0.1:{free_port('127.0.0.1')}/",
                "POSTROOM_INVOKER": f"tasks@{project}.iam.gserviceaccount.com",
                "POSTROOM_TASKS_ENDPOINT": f"http://{gates['queue'].address if gated else tasks}",
                "POSTROOM_TOKEN_CERTIFICATES": f"http://{tasks}/certs",
                "FIRESTORE_EMULATOR_HOST": gates["store"].address if gated else store,
                "STORAGE_EMULATOR_HOST": os.environ["STORAGE_EMULATOR_HOST"],
                **_secrets(),
            },
            gates,
        )


@contextmanager
def aws(*, gated: bool = False) -> Iterator[Place]:
    if absent := moto.missing():
        pytest.skip(absent)
    with ExitStack() as stack:
        deployment = stack.enter_context(moto.deployed())
        service = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
        gates = {"store": Gate(service), "queue": Gate(service)} if gated else {}
        for gate in gates.values():
            stack.enter_context(gate)
        through = {
            f"AWS_ENDPOINT_URL_{name}": f"http://{gates[gate].address}"
            for name, gate in (("DYNAMODB", "store"), ("SQS", "queue"), ("SCHEDULER", "queue"))
            if gated
        }
        yield Place(
            "aws",
            PLAYED,
            {
                "POSTROOM_CLOUD": "aws",
                "POSTROOM_TABLE": deployment.name,
                "POSTROOM_BUCKET": deployment.name,
                "POSTROOM_QUEUES": deployment.queue("default").removesuffix("default"),
                "POSTROOM_SCHEDULER_ROLE": deployment.role,
                "POSTROOM_SCHEDULER_GROUP": deployment.name,
                **moto.environment(),
                **through,
                **_secrets(),
            },
            gates,
        )


Home = Callable[..., AbstractContextManager[Place]]

HOMES: Mapping[str, Home] = {"local": local, "gcp": gcp, "aws": aws}
"""POSTROOM_CLOUD in the environment of the tests chooses one; without it they go through all."""

CHOSEN = [os.environ["POSTROOM_CLOUD"]] if os.environ.get("POSTROOM_CLOUD") else list(HOMES)


def _secrets() -> dict[str, str]:
    public, private = pair(os.urandom(32))
    master = b64encode(os.urandom(32)).decode()
    return {"POSTROOM_SEAL_PUBLIC": public, "POSTROOM_SEAL_PRIVATE": private, "POSTROOM_MASTER_KEYS": master}
