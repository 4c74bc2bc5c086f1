"""From settings to ready use cases and functions: the one place that knows which home it is."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import uuid4

from postroom.accept import Accept, deployment_secret
from postroom.claims import Claims
from postroom.deliver import Deliver
from postroom.delivery.record import SubmissionId
from postroom.destination import Destinations
from postroom.journal import tell
from postroom.ports import Directory, Holders, Schedule, Submissions
from postroom.remembered import Remembered
from postroom.settings import Settings

if TYPE_CHECKING:
    from flask import Flask, Request, Response

    from postroom.clouds.local.invocation import Dispatcher

T = TypeVar("T")

# A function must have recorded how a session ended before its own time is over.
MARGIN = timedelta(seconds=30)


class Home(NamedTuple):
    """The stores of one deployment."""

    submissions: Submissions
    schedule: Schedule
    directory: Directory
    holders: Holders | None = None


def clock() -> datetime:
    return datetime.now(UTC)


def prepare(settings: Settings) -> Settings:
    """Make what a first start must make, before any process of the house runs; the settings with its secrets."""
    from postroom.clouds.local.database import Database
    from postroom.clouds.local.secrets import load_or_make

    Database(settings.data).prepare()
    secrets = load_or_make(settings.data, os.urandom)
    return replace(
        settings,
        seal_public=settings.seal_public or secrets["POSTROOM_SEAL_PUBLIC"],
        seal_private=settings.seal_private or secrets["POSTROOM_SEAL_PRIVATE"],
        task_secret=settings.task_secret or secrets["POSTROOM_TASK_SECRET"],
    )


@cache
def home(settings: Settings) -> Home:
    """The stores. Nothing is opened before it is used, so a process may fork in between."""
    from postroom.clouds.local.database import Database
    from postroom.clouds.local.directory import LocalDirectory
    from postroom.clouds.local.holders import LocalHolders
    from postroom.clouds.local.schedule import LocalSchedule
    from postroom.clouds.local.submissions import LocalSubmissions

    database = Database(settings.data)
    directory = Remembered(LocalDirectory(database), settings.cache.total_seconds(), time.monotonic)
    holders = LocalHolders(settings.data / "locks")
    return Home(LocalSubmissions(database), LocalSchedule(database), directory, holders)


def accepting(settings: Settings) -> Accept:
    submissions, schedule, directory, _ = home(settings)
    return Accept(
        submissions=submissions,
        schedule=schedule,
        directory=directory,
        routes=settings.routes,
        clock=clock,
        randomness=os.urandom,
        secret=cache(lambda: deployment_secret(directory, os.urandom)),
        any_sender=settings.verified_senders == "any",
        on_unknown=settings.on_unknown,
        return_path_domain=settings.return_path_domain,
    )


def delivering(settings: Settings) -> Deliver:
    """The worker's use case. To be made in the process that uses it: it names that process in its claims."""
    from postroom.internet.guard import Guard
    from postroom.internet.loop import Background
    from postroom.internet.reach import Reach
    from postroom.internet.resolver import DnsResolver
    from postroom.internet.wire import SmtpWire
    from postroom.signing import signing

    submissions, schedule, directory, holders = home(settings)
    resolver = DnsResolver(settings.resolvers)
    reach = Reach(
        helo=settings.helo,
        timeouts=settings.timeouts,
        resolver=resolver,
        guard=Guard(settings.dial_allow),
        ca_file=settings.ca_file,
    )
    return Deliver(
        submissions=submissions,
        claims=Claims(submissions=submissions, holders=holders),
        schedule=schedule,
        destination=Destinations(
            routes=settings.routes,
            resolver=resolver,
            shuffle=random.SystemRandom().shuffle,
            smtp_port=settings.smtp_port,
        ),
        wire=SmtpWire(reach, Background()),
        policy=settings.retry_policy,
        signing=signing(directory, settings.seal_private),
        clock=clock,
        monotonic=time.monotonic,
        pause=time.sleep,
        holder=str(uuid4()),
        lease=settings.lease,
        session_seconds=(settings.function_timeout - MARGIN).total_seconds(),
        told=tell if settings.log == "attempts" else lambda _: None,
    )


def submit_app(settings: Settings) -> Flask:
    """The HTTP API."""
    from postroom.api.app import create_app

    submissions, _, directory, _ = home(settings)
    return create_app(
        accept=accepting(settings),
        submissions=submissions,
        directory=directory,
        bootstrap_key=settings.bootstrap_key,
        clock=clock,
        healthy=lambda: home_answers(submissions),
    )


def home_answers(submissions: Submissions) -> None:
    """Ask the home something small. Raises `Unavailable` where it doesn't answer."""
    submissions.get(SubmissionId("00000000-0000-0000-0000-000000000000"))


def deliver_endpoint(settings: Settings) -> Callable[[Request], Response]:
    """The worker function's HTTP face."""
    from postroom.clouds.push import task_endpoint

    return task_endpoint(once(lambda: delivering(settings)), settings.task_secret)


def dispatcher(settings: Settings, url: str, at_once: int) -> Dispatcher:
    """The queue's dispatcher of one machine: pushes every task to the worker function at `url`, `at_once` a queue."""
    from postroom.clouds.local.database import Database
    from postroom.clouds.local.invocation import Dispatcher
    from postroom.clouds.local.lane import QueueLimits

    deadline = (settings.function_timeout + MARGIN).total_seconds()
    limits = {
        route.queue: QueueLimits(min(route.sessions or at_once, at_once), route.rate) for route in settings.routes.table
    }
    return Dispatcher(
        Database(settings.data),
        {"": url},
        proof={"Authorization": f"Bearer {settings.task_secret}"} if settings.task_secret else {},
        limits=limits,
        default=QueueLimits(at_once),
        push_deadline=deadline,
    )


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called by the first who asks, however many ask at once."""
    made: list[T] = []
    lock = Lock()

    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get
