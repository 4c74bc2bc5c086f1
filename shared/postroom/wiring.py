"""From settings to ready use cases and functions: the one place that knows which home it is."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import uuid4

from postroom.accept import FURTHEST_AHEAD, Accept
from postroom.account.domain import SendingDomain
from postroom.account.publication import Egress
from postroom.account.suppression import Suppression
from postroom.account.vault import Vault
from postroom.account.verp import ReturnPaths
from postroom.account.webhook import Webhook
from postroom.acting import ActingWire
from postroom.admission import Admission
from postroom.announcing import Announcing, Untold
from postroom.batch import AcceptBatch
from postroom.change import Change
from postroom.claims import Claims
from postroom.clouds.clock import now
from postroom.consequences import Consequences
from postroom.deliver import Deliver
from postroom.delivery.actors import Actors
from postroom.delivery.health import Pace
from postroom.delivery.notice import QUEUE, Notice
from postroom.delivery.record import SubmissionId
from postroom.delivery.routing import Routes
from postroom.delivery.task import DeliveryTask
from postroom.destination import Destinations
from postroom.domain_register import DomainRegister
from postroom.domains import SendingDomains
from postroom.enclosures import Enclosures
from postroom.erasing import Erase
from postroom.event_body import EventBody
from postroom.event_log import EventLog
from postroom.filling import Published
from postroom.idempotency import deployment_secret
from postroom.journal import complain, note, tell, warn
from postroom.letter_headers import LetterHeaders
from postroom.message.dkim import new_key
from postroom.notify import Notify
from postroom.old_events import OldEvents
from postroom.ports import Counters, Directory, Holders, Posts, Schedule, Submissions, Wire
from postroom.preflight import Preflight
from postroom.preflight.ways import gates
from postroom.rates import Rates
from postroom.remembered import Remembered
from postroom.retention import Retention
from postroom.returns import Returns
from postroom.setting import master_keys
from postroom.settings import Settings, SettingsError
from postroom.sparing import Sparing
from postroom.suppressions import Suppressions
from postroom.sweep import Sweep
from postroom.telling import Telling
from postroom.templates import Templates
from postroom.trying import Trying
from postroom.webhooks import REMEMBERED, Listeners, Webhooks

if TYPE_CHECKING:
    from flask import Flask

    from postroom.clouds.aws.clients import Clients as AwsClients
    from postroom.clouds.aws.events import Handler
    from postroom.clouds.local.invocation import Dispatcher
    from postroom.clouds.local.timer import Timer
    from postroom.clouds.push import Endpoint, Proof
    from postroom.internet.http import Https
    from postroom.internet.published import PublishedInDns
    from postroom.internet.reach import Reach
    from postroom.internet.resolver import DnsResolver
    from postroom.smtp.timeouts import Timeouts

T = TypeVar("T")

MINUTE = timedelta(minutes=1)


class Home(NamedTuple):
    """The stores of one deployment."""

    submissions: Submissions
    schedule: Schedule
    directory: Directory
    counters: Counters
    holders: Holders | None = None


def prepare(settings: Settings) -> Settings:
    """Make what a first start on one machine must make, before any process of the house runs.

    The settings with its secrets; in a cloud, where the deployment makes all that, as they are.
    """
    if settings.cloud != "local":
        return settings
    from postroom.clouds.local.database import Database
    from postroom.clouds.local.secrets import load_or_make

    Database(settings.data).prepare()
    secrets = load_or_make(settings.data, os.urandom)
    return replace(
        settings,
        master_keys=settings.master_keys or master_keys(secrets["POSTROOM_MASTER_KEYS"]),
        seal_public=settings.seal_public or secrets["POSTROOM_SEAL_PUBLIC"],
        seal_private=settings.seal_private or secrets["POSTROOM_SEAL_PRIVATE"],
        task_secret=settings.task_secret or secrets["POSTROOM_TASK_SECRET"],
    )


@cache
def home(settings: Settings) -> Home:
    """The stores. Nothing is opened before it is used, so a process may fork in between."""
    match settings.cloud:
        case "gcp":
            return _google_cloud(settings)
        case "aws":
            return _aws(settings)
        case _:
            return _one_machine(settings)


def _one_machine(settings: Settings) -> Home:
    from postroom.clouds.local.counters import LocalCounters
    from postroom.clouds.local.database import Database
    from postroom.clouds.local.directory import LocalDirectory
    from postroom.clouds.local.holders import LocalHolders
    from postroom.clouds.local.schedule import LocalSchedule
    from postroom.clouds.local.submissions import LocalSubmissions

    database = Database(settings.data)
    holders = LocalHolders(settings.data / "locks")
    schedule = LocalSchedule(database)
    submissions, directory = LocalSubmissions(database, schedule), LocalDirectory(database)
    return Home(submissions, schedule, directory, LocalCounters(database), holders)


def _google_cloud(settings: Settings) -> Home:
    from postroom.clouds.gcp.clients import Clients
    from postroom.clouds.gcp.counters import FirestoreCounters
    from postroom.clouds.gcp.directory import FirestoreDirectory
    from postroom.clouds.gcp.schedule import CloudTasksSchedule
    from postroom.clouds.gcp.submissions import FirestoreSubmissions

    clients = Clients(settings.project or "", settings.database, tasks_endpoint=settings.tasks_endpoint)
    schedule = CloudTasksSchedule(
        clients,
        queues=lambda traffic_class: f"{settings.queues}{traffic_class}",
        urls=lambda traffic: (settings.notify_url if traffic == QUEUE else settings.deliver_url) or "",
        service_account=settings.invoker or "",
        clock=now,
        # Cloud Tasks wants 15 s at least and 30 min at most.
        dispatch_deadline=min(max(settings.function_timeout + margin(settings), MINUTE / 4), 30 * MINUTE),
    )
    submissions, directory = FirestoreSubmissions(clients, settings.bucket or ""), FirestoreDirectory(clients)
    return Home(submissions, schedule, directory, FirestoreCounters(clients))


def _aws(settings: Settings) -> Home:
    from postroom.clouds.aws.counters import DynamoCounters
    from postroom.clouds.aws.directory import DynamoDirectory
    from postroom.clouds.aws.schedule import SqsSchedule
    from postroom.clouds.aws.submissions import DynamoSubmissions

    clients, table = _aws_clients(), settings.table or ""
    schedule = SqsSchedule(
        clients,
        lambda traffic_class: f"{settings.queues}{traffic_class}",
        scheduler_role_arn=settings.scheduler_role or "",
        scheduler_group=settings.scheduler_group or "",
        clock=now,
    )
    submissions, directory = DynamoSubmissions(clients, table, settings.bucket or ""), DynamoDirectory(clients, table)
    return Home(submissions, schedule, directory, DynamoCounters(clients, table))


@cache
def _aws_clients() -> AwsClients:
    from postroom.clouds.aws.clients import Clients

    return Clients()


@cache
def remembered(settings: Settings) -> Remembered:
    """The directory, seen through a short memory: one of the process."""
    return Remembered(home(settings).directory, settings.cache.total_seconds(), time.monotonic)


@cache
def remembered_webhooks(settings: Settings) -> Remembered:
    """The same for what concerns webhooks: who has just made one, or changed it, waits to see what it hears."""
    seconds = min(settings.cache, REMEMBERED).total_seconds()
    return Remembered(home(settings).directory, seconds, time.monotonic)


def margin(settings: Settings) -> timedelta:
    """What a function keeps of its time for recording how a session ended."""
    return min(timedelta(seconds=30), settings.function_timeout / 4)


def accepting(settings: Settings) -> Accept:
    submissions, schedule, *_ = home(settings)
    directory = remembered(settings)
    return Accept(
        submissions=submissions,
        schedule=schedule,
        directory=directory,
        routes=routing(settings),
        clock=now,
        randomness=os.urandom,
        secret=cache(lambda: deployment_secret(directory, os.urandom)),
        any_sender=settings.verified_senders == "any",
        on_unknown=settings.on_unknown,
        return_path_domain=settings.return_path_domain,
        return_paths=ReturnPaths(settings.master_keys),
        sweep_after=settings.sweep_after,
        spared=sparing(settings).by_settings,
        troubled=warn,
        wanted=listening(settings).wanted,
    )


def listening(settings: Settings) -> Listeners:
    """What webhooks want to hear."""
    return Listeners(memory=remembered_webhooks(settings))


def suppressing(settings: Settings) -> Suppressions:
    announce = announcing(settings)

    def told(type_: str, about: Suppression, at: datetime) -> None:
        announce(type_, about.id, at, about.shown())

    return Suppressions(directory=home(settings).directory, clock=now, randomness=os.urandom, told=told)


def acting(settings: Settings) -> Actors | None:
    return None if settings.test_domain is None else Actors(settings.test_domain)


def sparing(settings: Settings) -> Sparing:
    return Sparing(suppressions=suppressing(settings), only_to=settings.only_to, actors=acting(settings))


def routing(settings: Settings) -> Routes:
    """The routes table, and before it the test domain."""
    return replace(settings.routes, actors=acting(settings))


def claiming(settings: Settings) -> Claims:
    """Claims that note what webhooks are to be told."""
    submissions, *_, holders = home(settings)
    return Claims(submissions=submissions, holders=holders, wanted=listening(settings).wanted)


def telling(settings: Settings) -> Telling:
    return Telling(schedule=home(settings).schedule, clock=now, monotonic=time.monotonic)


def changing(settings: Settings) -> Change:
    _, schedule, directory, *_ = home(settings)
    return Change(
        claims=claiming(settings),
        schedule=schedule,
        directory=directory,
        clock=now,
        sweep_after=settings.sweep_after,
        troubled=warn,
        tell=telling(settings),
    )


@cache
def resolving(settings: Settings) -> DnsResolver:
    """DNS, with what it has answered so far: one of the process, so that no question is asked twice."""
    from postroom.internet.resolver import DnsResolver

    return DnsResolver(settings.resolvers, trust_ad=settings.trust_ad)


def ways_out(settings: Settings, resolver: DnsResolver, timeouts: Timeouts) -> tuple[Reach, Https]:
    """To mail servers and to hosts of the web: by that resolver, and past the one guard of what may be dialled."""
    from postroom.internet.guard import Guard
    from postroom.internet.http import Https
    from postroom.internet.reach import Reach

    guard, roots = Guard(settings.dial_allow), settings.ca_file
    reach = Reach(helo=settings.helo, timeouts=timeouts, resolver=resolver, guard=guard, ca_file=roots)
    return reach, Https(addresses=resolver.addresses, guard=guard, ca_file=roots)


def delivering(settings: Settings) -> Deliver:
    """The worker's use case. To be made in the process that uses it: it names that process in its claims."""
    from postroom.internet.files import Files
    from postroom.internet.loop import Background
    from postroom.internet.policies import StsPolicies
    from postroom.internet.wire import SmtpWire
    from postroom.signing import signing

    submissions, schedule, directory, _, holders = home(settings)
    resolver = resolving(settings)
    reach, https = ways_out(settings, resolver, settings.timeouts)
    policies = StsPolicies(
        directory=remembered(settings),
        texts=resolver.texts,
        https=https,
        clock=now,
        monotonic=time.monotonic,
        port=settings.sts_port,
        troubled=note,
    )
    holder = str(uuid4())
    claims, news = claiming(settings), telling(settings)
    wire: Wire = SmtpWire(reach, Background())
    actors = acting(settings)
    if actors is not None:
        wire = ActingWire(wire=wire, actors=actors, helo=settings.helo, monotonic=time.monotonic)
    destinations = Destinations(
        routes=routing(settings),
        resolver=resolver,
        shuffle=random.SystemRandom().shuffle,
        smtp_port=settings.smtp_port,
        us=frozenset(name.lower() for name in (settings.helo, *settings.routes.helos)),
        policy=policies,
    )
    return Deliver(
        claims=claims,
        schedule=schedule,
        admission=Admission(
            directory=directory,
            pace=Pace.of(settings.retry_schedule[0]),
            clock=now,
            monotonic=time.monotonic,
            slow_after=2 * settings.timeouts.connect,
            longest=settings.function_timeout,
            holder=holder,
        ),
        destination=destinations,
        has_fallback=destinations.has_fallback,
        wire=wire,
        enclosures=Enclosures(
            submissions=submissions,
            directory=directory,
            fetch=Files(https),
            clock=now,
            monotonic=time.monotonic,
            holder=holder,
            holders=holders,
        ),
        policy=settings.retry_policy,
        signing=signing(remembered(settings), settings.seal_private, directory),
        clock=now,
        monotonic=time.monotonic,
        pause=time.sleep,
        holder=holder,
        lease=settings.lease,
        session_seconds=(settings.function_timeout - margin(settings)).total_seconds(),
        begin_seconds=settings.function_timeout.total_seconds() * 0.6,
        told=tell if settings.log == "attempts" else lambda _: None,
        spared=sparing(settings),
        follow=following(settings, claims, news),
        together=news.together,
    )


def following(settings: Settings, claims: Claims, news: Telling) -> Consequences:
    """What follows from how recipients ended, whoever has heard of it."""
    return Consequences(
        suppressions=suppressing(settings), claims=claims, clock=now, actors=acting(settings), tell=news
    )


def returning(settings: Settings) -> Returns:
    """What is done with reports that come back."""
    claims = claiming(settings)
    return Returns(
        submissions=claims.submissions,
        claims=claims,
        return_paths=ReturnPaths(settings.master_keys),
        clock=now,
        follow=following(settings, claims, telling(settings)),
    )


def vault(settings: Settings) -> Vault:
    return Vault(settings.master_keys, os.urandom)


def webhooks(settings: Settings) -> Webhooks:
    """The register of webhooks, for whoever holds the master keys."""
    memory = remembered_webhooks(settings)
    return Webhooks(
        directory=memory.afresh,
        memory=memory,
        vault=vault(settings),
        clock=now,
        randomness=os.urandom,
        pause=time.sleep,
    )


def event_log(settings: Settings) -> EventLog:
    return EventLog(directory=home(settings).directory, clock=now)


def trying(settings: Settings) -> Trying:
    """Has webhooks told what they weren't told by themselves."""
    return Trying(log=event_log(settings), schedule=home(settings).schedule, clock=now, randomness=os.urandom)


def announcing(settings: Settings) -> Announcing:
    """Tells webhooks what is no letter's."""
    _, schedule, directory, *_ = home(settings)
    return Announcing(
        wanted=listening(settings).wanted,
        log=event_log(settings),
        directory=directory,
        schedule=schedule,
        clock=now,
        after=settings.sweep_after,
        troubled=warn,
    )


def posting(settings: Settings) -> Posts:
    """To webhooks' endpoints."""
    from postroom.internet.posting import HttpsPosts

    _, https = ways_out(settings, resolving(settings), settings.timeouts)
    return HttpsPosts(https)


def notifying(settings: Settings) -> Notify:
    """The use case that tells webhooks."""
    from postroom.internet.endpoint import Endpoint

    submissions, schedule, *_ = home(settings)
    announce = announcing(settings)

    def disabled(webhook: Webhook, why: str) -> None:
        data = {"id": webhook.id, "endpoint": Endpoint.parse(webhook.endpoint).url, "why": why}
        announce("webhook.disabled", webhook.id, now(), data, without=(webhook.id,))

    return Notify(
        webhooks=webhooks(settings),
        log=event_log(settings),
        claims=Claims(submissions=submissions),
        posts=posting(settings),
        schedule=schedule,
        headers_of=LetterHeaders(submissions.letter),
        delays=settings.webhook_retry_schedule,
        clock=now,
        monotonic=time.monotonic,
        disabled=disabled,
        troubled=complain,
    )


def looking(settings: Settings, timeouts: Timeouts) -> tuple[PublishedInDns, Reach]:
    """What is published, by a resolver of its own whose questions don't wait for long, and the way to mail servers."""
    from postroom.internet.published import PublishedInDns
    from postroom.internet.resolver import DnsResolver

    dns = DnsResolver(settings.resolvers, trust_ad=settings.trust_ad, lifetime=3.0)
    reach, https = ways_out(settings, dns, timeouts)
    return PublishedInDns(dns, https, settings.sts_port), reach


def preflighting(settings: Settings) -> Preflight:
    """The look before anything is sent."""
    from postroom.internet.loop import Background
    from postroom.internet.visits import SmtpVisits

    background = Background()
    # Of several addresses all should have their turn within a visit.
    timeouts = replace(settings.timeouts, connect=min(settings.timeouts.connect, 5.0))

    def setting_out() -> tuple[PublishedInDns, SmtpVisits]:
        published, reach = looking(settings, timeouts)
        return published, SmtpVisits(reach, background)

    return Preflight(
        directory=home(settings).directory,
        setting_out=setting_out,
        monotonic=time.monotonic,
        routes=settings.routes,
        helo=settings.helo,
        smtp_port=settings.smtp_port,
        return_path_domain=settings.return_path_domain,
        blocklists=settings.blocklists,
        dnssec=settings.trust_ad,
    )


def sending_domains(settings: Settings, directory: Directory) -> SendingDomains:
    """What may be done with sending domains, each look with a resolver of its own."""
    verifiable_for, announce = settings.retry_policy.verifiable_for, announcing(settings)

    def told(type_: str, domain: SendingDomain, before: SendingDomain) -> None:
        if not announce.wants(type_):
            return
        from postroom.api.domains import whole

        after, was = (whole(each, domains.records(each)) for each in (domain, before))
        if type_ != "domain.updated" or after != was:
            # A domain that is deleted is told of as it was.
            announce(type_, domain.id, now(), was if type_ == "domain.deleted" else after)

    domains = SendingDomains(
        # A letter may need a key for the first time once it is due, and again when it is put back by hand.
        register=DomainRegister(directory, now, verifiable_for + max(FURTHEST_AHEAD, settings.retention), told),
        seal_public=settings.seal_public,
        clock=now,
        monotonic=time.monotonic,
        randomness=os.urandom,
        new_key=new_key,
        looking=lambda: looking(settings, settings.timeouts)[0],
        egress=_egress(settings),
        verifiable_for=verifiable_for,
        test_domain=settings.test_domain,
    )
    return domains


def _egress(settings: Settings) -> Egress:
    if settings.spf is not None:
        return Egress(settings.spf, return_path_domain=settings.return_path_domain)
    names = (gate.approach.helo or settings.helo for gate in gates(settings.routes))
    hosts = tuple(dict.fromkeys(name.lower() for name in names if "." in name and not name.startswith("[")))
    return Egress(tuple(f"a:{host}" for host in hosts), hosts, settings.return_path_domain)


def submit_app(settings: Settings) -> Flask:
    """The HTTP API. Raises `SettingsError` where it can't sign links."""
    from postroom.account.links import Links
    from postroom.account.unsubscribe import UnsubscribeLinks
    from postroom.api.app import create_app
    from postroom.internet.guard import Guard

    if not settings.master_keys:
        raise SettingsError(["POSTROOM_MASTER_KEYS must be set for the function `submit`"])
    submissions, _, directory, _, holders = home(settings)
    preflight = once(lambda: preflighting(settings))
    accept = accepting(settings)
    templates = templating(settings, remembered(settings).afresh)
    return create_app(
        accept=accept,
        accept_batch=AcceptBatch(accept),
        change=changing(settings),
        under_key=accept.under_key,
        erase=Erase(submissions=submissions, directory=directory, clock=now, holders=holders),
        links=Links(settings.master_keys),
        unsubscribe_links=UnsubscribeLinks(vault(settings)),
        public_url=settings.public_url,
        submissions=submissions,
        directory=remembered(settings),
        suppressions=suppressing(settings),
        bootstrap_key=settings.bootstrap_key,
        clock=now,
        healthy=lambda: home_answers(submissions),
        preflight=lambda domain: preflight()(domain),
        proxies=settings.proxies,
        rates=limiting(settings),
        domains=sending_domains(settings, remembered(settings).afresh),
        templates=templates,
        published=Published(templating(settings, remembered(settings)), templates),
        repeat=accept.repeated,
        returns=returning(settings),
        webhooks=webhooks(settings),
        trying=trying(settings),
        event_body=EventBody(submissions.find, LetterHeaders(submissions.letter)),
        dialled=Guard(settings.dial_allow),
    )


def templating(settings: Settings, directory: Directory) -> Templates:
    return Templates(directory=directory, versions=home(settings).directory, clock=now, randomness=os.urandom)


def limiting(settings: Settings) -> Rates | None:
    """The rate limit of the API's keys, if there is to be one."""
    if settings.rate_limit == 0:
        return None
    return Rates(home(settings).counters, settings.rate_limit, now, warn)


def home_answers(submissions: Submissions) -> None:
    """Ask the home something small. Raises `Unavailable` where it doesn't answer."""
    submissions.get(SubmissionId("00000000-0000-0000-0000-000000000000"))


def sweeping(settings: Settings) -> Sweep:
    """The second net's use case."""
    submissions, schedule, directory, *_ = home(settings)
    return Sweep(
        submissions=submissions,
        schedule=schedule,
        directory=directory,
        clock=now,
        monotonic=time.monotonic,
        identify=lambda: str(uuid4()),
        after=settings.sweep_after,
        seconds=(settings.function_timeout / 2).total_seconds(),
        announced=Untold(log=event_log(settings), directory=directory, schedule=schedule, clock=now),
        retention=Retention(
            submissions=submissions,
            directory=directory,
            clock=now,
            monotonic=time.monotonic,
            identify=lambda: str(uuid4()),
            keep=settings.retention,
            events=OldEvents(directory=directory, log=event_log(settings), clock=now, keep=settings.retention),
            seconds=(settings.function_timeout / 4).total_seconds(),
        ),
    )


# The functions, each as functions-framework and as Lambda call it.


def submit_function(settings: Settings) -> tuple[Endpoint, Handler]:
    """HTTP in."""
    app = submit_app(settings)
    if settings.cloud == "aws":
        from postroom.clouds.aws.invocation import http_handler

        return _not_here(settings), http_handler(app)
    from postroom.clouds.framework import taking_over

    return taking_over(app), _not_here(settings)


def deliver_function(settings: Settings) -> tuple[Endpoint, Handler]:
    """Tasks in."""
    deliver = once(lambda: delivering(settings))
    if settings.cloud == "aws":
        from postroom.clouds.aws.invocation import task_handler

        return _not_here(settings), task_handler(deliver, _aws_clients(), DeliveryTask.from_body)
    from postroom.clouds.push import task_endpoint

    return task_endpoint(deliver, _proof(settings, settings.deliver_url), DeliveryTask.from_body), _not_here(settings)


def notify_function(settings: Settings) -> tuple[Endpoint, Handler]:
    """What webhooks are to be told in. Raises `SettingsError` where it can't sign."""
    if not settings.master_keys:
        raise SettingsError(["POSTROOM_MASTER_KEYS must be set for the function `notify`"])
    notify = once(lambda: notifying(settings))
    if settings.cloud == "aws":
        from postroom.clouds.aws.invocation import task_handler

        return _not_here(settings), task_handler(notify, _aws_clients(), Notice.from_body)
    from postroom.clouds.push import task_endpoint

    return task_endpoint(notify, _proof(settings, settings.notify_url), Notice.from_body), _not_here(settings)


def sweep_function(settings: Settings) -> tuple[Endpoint, Handler]:
    """The timer in, and on AWS the dead letters."""
    sweep = once(lambda: sweeping(settings))
    if settings.cloud == "aws":
        from postroom.clouds.aws.invocation import sweep_handler

        return _not_here(settings), sweep_handler(sweep, home(settings).schedule, now)
    from postroom.clouds.push import timer_endpoint

    return timer_endpoint(sweep, _proof(settings, settings.sweep_url)), _not_here(settings)


def _proof(settings: Settings, audience: str | None) -> Proof | None:
    """How a private function knows who calls."""
    if settings.cloud == "gcp":
        from postroom.clouds.gcp.invocation import InvokerToken

        # Its functions are private: Cloud Run has checked the token before us, and takes the signature off it then.
        return InvokerToken(audience or "", settings.invoker or "", settings.token_certificates, behind_iam=True)
    from postroom.clouds.push import bearer

    return bearer(settings.task_secret) if settings.task_secret else None


def _not_here(settings: Settings) -> Callable[..., Any]:
    """The face of a function that its home doesn't call."""

    def refuse(*_: Any) -> Any:
        raise RuntimeError(f"POSTROOM_CLOUD is {settings.cloud}, which doesn't call its functions in this way")

    return refuse


def timer(settings: Settings, url: str) -> Timer:
    """The timer of one machine: calls the sweep function at `url`."""
    from postroom.clouds.local.timer import Timer

    return Timer(url, settings.sweep_after, _shown(settings), settings.function_timeout)


def _shown(settings: Settings) -> dict[str, str]:
    """The headers by which the private functions of one machine know who calls."""
    return {"Authorization": f"Bearer {settings.task_secret}"} if settings.task_secret else {}


def dispatcher(settings: Settings, deliver_url: str, notify_url: str, at_once: int) -> Dispatcher:
    """The queue's dispatcher of one machine: pushes each task to the function that it is for, `at_once` a queue."""
    from postroom.clouds.local.database import Database
    from postroom.clouds.local.invocation import Dispatcher
    from postroom.clouds.local.lane import QueueLimits

    deadline = (settings.function_timeout + margin(settings)).total_seconds()
    limits = {
        route.queue: QueueLimits(min(route.sessions or at_once, at_once), route.rate) for route in settings.routes.table
    }
    return Dispatcher(
        Database(settings.data),
        {"": deliver_url, QUEUE: notify_url},
        proof=_shown(settings),
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
