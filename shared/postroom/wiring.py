"""From settings to ready use cases and functions: the one place that knows which home it is."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import uuid4

from postroom.accept import Accept, deployment_secret
from postroom.account.domain import DkimKey, SendingDomain
from postroom.deliver import Deliver
from postroom.delivery.attempt import Attempt
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Outcome
from postroom.ports import Directory, Schedule, Submissions
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
    from postroom.clouds.local.schedule import LocalSchedule
    from postroom.clouds.local.submissions import LocalSubmissions

    database = Database(settings.data)
    directory = Remembered(LocalDirectory(database), settings.cache.total_seconds(), time.monotonic)
    return Home(LocalSubmissions(database), LocalSchedule(database), directory)


def accepting(settings: Settings) -> Accept:
    submissions, schedule, directory = home(settings)
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

    submissions, schedule, directory = home(settings)
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
        schedule=schedule,
        resolver=resolver,
        wire=SmtpWire(reach, Background()),
        routes=settings.routes,
        policy=settings.retry_policy,
        signing=signing(directory, settings.seal_private),
        clock=clock,
        monotonic=time.monotonic,
        pause=time.sleep,
        shuffle=random.SystemRandom().shuffle,
        holder=str(uuid4()),
        lease=settings.lease,
        session_seconds=(settings.function_timeout - MARGIN).total_seconds(),
        smtp_port=settings.smtp_port,
        told=log_attempt if settings.log == "attempts" else lambda _: None,
    )


def log_attempt(attempt: Attempt) -> None:
    """One line of JSON on standard output, which the log collectors of every home understand."""
    took = attempt.finished_at - attempt.started_at
    line = {
        "severity": "INFO" if attempt.outcome in (Outcome.ACCEPTED, Outcome.NOT_ATTEMPTED) else "WARNING",
        "time": attempt.finished_at.isoformat(timespec="milliseconds"),
        "message": f"attempt {attempt.number} to {attempt.destination}: {attempt.outcome}",
        "email_id": attempt.submission,
        "attempt_id": attempt.id,
        "destination": attempt.destination,
        "route": attempt.route,
        "mx": attempt.mx,
        "outcome": attempt.outcome,
        "reply": next((each.text for each in reversed(attempt.transcript) if each.speaker == "server"), None),
        "note": attempt.note,
        "took_ms": round(took / timedelta(milliseconds=1)),
    }
    sys.stdout.write(json.dumps({name: value for name, value in line.items() if value is not None}) + "\n")
    sys.stdout.flush()


def submit_app(settings: Settings) -> Flask:
    """The HTTP API."""
    from postroom.api.app import create_app

    submissions, _, directory = home(settings)
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


def add_domain(settings: Settings, name: str, selector: str, pem: bytes | None) -> SendingDomain:
    """Keep a domain, verified by whoever may run this, with its DKIM key sealed.

    Without `pem` an RSA key is made. Raises ValueError where the name or the key can't be used, or where the
    domain has a key under this selector: another one in its place would void every signature until DNS follows.
    """
    from postroom.account.seal import seal
    from postroom.message.address import Mailbox
    from postroom.message.dkim import SigningKey, new_key, record

    try:
        domain = Mailbox.parse(f"postmaster@{name}").domain
    except ValueError as error:
        raise ValueError(f"{name!r} can't be a sending domain: {error}") from error
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", selector):
        raise ValueError(f"{selector!r} can't be a DKIM selector: it must be one label of a domain name")
    directory = home(settings).directory
    stored = directory.get("domain", domain)
    known = SendingDomain.from_record(stored) if stored else SendingDomain(str(uuid4()), domain, True, clock())
    if any(each.selector == selector for each in known.keys):
        raise ValueError(
            f"{domain} has a key under the selector {selector!r} already: `postroom domains show {domain}` prints its "
            "record. To sign with another key as well, add it under another --selector."
        )
    pem = pem or new_key("rsa")
    _, text = record(SigningKey.load(domain, selector, pem))
    purpose = DkimKey(selector, "", text).purpose(domain)
    key = DkimKey(selector, seal(pem, settings.seal_public or "", purpose), text)
    made = replace(known, verified=True, keys=(*known.keys, key))
    directory.put("domain", domain, made.record())
    return made


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
