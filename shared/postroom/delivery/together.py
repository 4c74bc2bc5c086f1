"""Parcels that travel together: those of one batch for one next hop share tasks, and so the sessions of SMTP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from postroom.delivery.parcel import Parcel
from postroom.delivery.task import DeliveryTask

T = TypeVar("T")

MOST = 20
"""Parcels in one task.

A session that carries so many has paid for its set-up, and a batch of 500 for one destination still gets 25 of them at
once. They are done in seconds, before the sweep would miss those that wait, and a worker that dies leaves few behind. A
body is about 1 KB; SQS takes 256 KB, Cloud Tasks 1 MB.
"""


def together(
    parcels: Iterable[tuple[Parcel, datetime]], rated: Collection[str] = ()
) -> list[tuple[DeliveryTask, datetime]]:
    """The tasks for parcels that are each due at their time, in their order, and when to run them.

    Queues count tasks, so in those of `rated`, whose letters are counted, each parcel has a task of its own.
    """
    groups: defaultdict[tuple[str, str, str, datetime], list[Parcel]] = defaultdict(list)
    for parcel, due in parcels:
        groups[parcel.queue, parcel.route, parcel.destination, due].append(parcel)
    return [
        (DeliveryTask(queue, route, destination, tuple(parcel.ref() for parcel in share)), due)
        for (queue, route, destination, due), group in groups.items()
        for share in shares(group, 1 if queue in rated else MOST)
    ]


def shares(group: Sequence[T], most: int) -> Iterable[Sequence[T]]:
    """As few as do, of at most so many each, and of one size: 21 are 11 and 10."""
    count = -(-len(group) // most)
    size, longer = divmod(len(group), count)
    start = 0
    for number in range(count):
        end = start + size + (number < longer)
        yield group[start:end]
        start = end
