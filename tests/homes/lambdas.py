"""Lambda, as far as our functions can tell: one of them, with what calls it, in a process of its own.

python -m tests.homes.lambdas PARENT submit HOST PORT    the HTTP function behind its gateway
python -m tests.homes.lambdas PARENT deliver             the worker, and the pollers of its queues
python -m tests.homes.lambdas PARENT notify              what tells webhooks, and the poller of its queue
python -m tests.homes.lambdas PARENT sweep SECONDS       the sweep, its timer and the poller of the dead letters
python -m tests.homes.lambdas PARENT scheduler           EventBridge Scheduler's clock, which moto hasn't

PARENT is the process with which it ends. It runs until SIGTERM, and is told by the environment what functions are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from threading import Event, Thread

from postroom.clouds.aws.clients import Clients
from postroom.clouds.aws.events import Handler
from postroom.delivery.notice import QUEUE
from postroom.house.child import end_with_parent
from postroom.house.signals import on_stop
from postroom.house.supervisor import functions_folder
from postroom.settings import Settings
from tests.homes.gateway import Gateway
from tests.homes.pollers import Context, Poller, Timer
from tests.homes.scheduler_clock import ring

DEAD = "dead"  # the dead letters' queue, in the place of a traffic class
MOST_RECEIVES = 8  # of one message, before it is a dead letter
BATCHES_AT_ONCE = 4
CLOCK = 0.5  # seconds between two looks of the scheduler


def main(arguments: Sequence[str]) -> None:
    end_with_parent(int(arguments[0]))
    stopped = Event()
    on_stop(stopped.set)
    settings, clients = Settings.from_environment(), Clients()
    with ExitStack() as parts:
        match arguments[1:]:
            case ["submit", host, port]:
                queues(settings, clients)
                parts.enter_context(serving(Gateway(host, int(port), function("submit"))))
            case ["deliver" | "notify" as name]:
                handler = function(name)
                for queue in queues(settings, clients)[name]:
                    parts.enter_context(Poller(clients, queue, handler, at_once=BATCHES_AT_ONCE))
            case ["sweep", seconds]:
                handler = function("sweep")
                queues(settings, clients)
                parts.enter_context(Poller(clients, f"{settings.queues}{DEAD}", handler, pause=1.0))
                parts.enter_context(Timer(lambda: handler({"postroom": "sweep"}, Context()), float(seconds)))
            case ["scheduler"]:
                parts.enter_context(Timer(lambda: ring(clients, settings.scheduler_group or ""), CLOCK))
            case _:
                sys.exit(f"not a part of Lambda: {arguments}")
        stopped.wait()


def function(name: str) -> Handler:
    """What Lambda calls of functions/<name>/main.py."""
    spec = spec_from_file_location(f"{name}_function", functions_folder() / name / "main.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler


def queues(settings: Settings, clients: Clients) -> Mapping[str, list[str]]:
    """The URLs of the queues of each function, which are made where they are missing, as the deployment would."""
    prefix, sqs = (settings.queues or "").rpartition("/")[2], clients.sqs()
    # A message must stay out of sight until the claim of a worker that died with it is over.
    out_of_sight = {"VisibilityTimeout": str(int(settings.lease.total_seconds()) + 1)}
    dead = sqs.create_queue(QueueName=f"{prefix}{DEAD}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES})}
    made: dict[str, list[str]] = {"deliver": [], "notify": []}
    for traffic_class in sorted({route.queue for route in settings.routes.table} | {QUEUE}):
        url: str = sqs.create_queue(QueueName=f"{prefix}{traffic_class}")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=out_of_sight | redrive)
        made["notify" if traffic_class == QUEUE else "deliver"].append(url)
    return made


@contextmanager
def serving(gateway: Gateway) -> Iterator[None]:
    thread = Thread(target=gateway.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


if __name__ == "__main__":
    main(sys.argv[1:])
