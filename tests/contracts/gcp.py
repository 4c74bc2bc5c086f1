"""The home on Google Cloud: Firestore in its emulator, Cloud Storage and Cloud Tasks behind faces of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from postroom.clouds.gcp.clients import Clients
from postroom.clouds.gcp.counters import FirestoreCounters
from postroom.clouds.gcp.directory import FirestoreDirectory
from postroom.clouds.gcp.schedule import CloudTasksSchedule
from postroom.clouds.gcp.submissions import FirestoreSubmissions
from tests.contracts.function import Function
from tests.contracts.homes import Home
from tests.homes.cloudtasks import SERVICE_ACCOUNT, Service, cloudtasks
from tests.homes.firestore import firestore, missing
from tests.homes.storage import storage

BUCKET = "letters"


@contextmanager
def gcp(folder: Path) -> Iterator[Home]:
    with google() as clients, Function() as function, cloudtasks(folder, function.url) as tasks:
        clients = Clients(clients.project, tasks_endpoint=tasks.endpoint)
        clients.tasks()  # it is a second's import, and tests of the schedule count seconds
        submissions = FirestoreSubmissions(clients, BUCKET)
        counters = FirestoreCounters(clients)
        yield Home(submissions, FirestoreDirectory(clients), schedule_in(tasks, clients), function, counters)


@contextmanager
def google() -> Iterator[Clients]:
    """Clients for a project that nothing was ever written in, with a bucket."""
    if why := missing():
        pytest.skip(why)
    with firestore(), storage(BUCKET):
        yield Clients(f"demo-{uuid4().hex}")


def schedule_in(tasks: Service, clients: Clients) -> CloudTasksSchedule:
    return CloudTasksSchedule(
        clients,
        lambda traffic: f"projects/{clients.project}/locations/here/queues/{traffic}",
        urls=lambda _: tasks.tasks.url,
        service_account=SERVICE_ACCOUNT,
        dispatch_deadline=timedelta(minutes=15),
    )
