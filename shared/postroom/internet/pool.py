"""Open sessions at rest, for whoever goes to the same servers next.

A session rests only while another conversation is under way in this process, and for two seconds at most. In a
function the processor may stop as soon as the last request is answered, so the last conversation to end says goodbye
for all that rest.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import NamedTuple

from postroom.delivery.routing import Approach, Host, Target
from postroom.internet.deadlines import Deadlines
from postroom.internet.hosts import Hosts
from postroom.internet.reached import Reached, drive
from postroom.smtp.security import Credentials, Security

MOMENT = 0.005
"""Seconds that the last conversation waits for another to come before it says goodbye for all that rest.

Tasks whose letters are judged together end together; the next ones are only just on their way.
"""

LONGEST_REST = 2.0
"""Seconds. The longer a session is silent, the likelier the server leaves just as the next letter comes."""


class Way(NamedTuple):
    """What letters must have in common to share a session: the servers, how to get in, and the least security."""

    hosts: frozenset[Host]
    implicit_tls: bool
    credentials: Credentials | None
    approach: Approach
    security: Security
    vouched_for: str | None


def way(target: Target, asked: Security) -> Way:
    security = target.security.at_least(asked)
    hosts = frozenset(target.hosts)
    return Way(hosts, target.implicit_tls, target.credentials, target.approach, security, target.vouched_for)


@dataclass(eq=False, slots=True)
class _Resting:
    reached: Reached
    pool: Pool
    deadline: float

    def late(self) -> None:
        self.pool.dismiss(self)


class Pool:
    """Belongs to the loop that is running when it is made."""

    def __init__(self, hosts: Hosts) -> None:
        self.deadlines = Deadlines()
        self.hosts = hosts
        self._resting: defaultdict[Way, list[_Resting]] = defaultdict(list)
        self._under_way = 0
        self._partings: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[None]:
        """Be one of those under way. The last one waits until every goodbye is said."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way and self._resting:
                await asyncio.sleep(MOMENT)
            if not self._under_way:
                for each in [each for several in self._resting.values() for each in several]:
                    self.dismiss(each)
                if self._partings:
                    await asyncio.wait(self._partings)

    @property
    def shared(self) -> bool:
        """Whether somebody else is under way, or was a moment ago, who may have a use for a session."""
        return self._under_way > 1 or bool(self._resting)

    def take(self, way: Way, best: Collection[Host]) -> Reached | None:
        """A session that rests on this way with one of the `best` hosts, the one that was used last."""
        for resting in reversed(self._resting.get(way, ())[:]):
            reached = resting.reached
            if not reached.reusable:
                self._forget(way, resting)
                self.let_go(reached)
            elif reached.host in best:
                self._forget(way, resting)
                return reached
        return None

    def _forget(self, way: Way, resting: _Resting) -> None:
        self.deadlines.forget(resting)
        self._resting[way].remove(resting)
        if not self._resting[way]:
            del self._resting[way]

    def rest(self, way: Way, reached: Reached) -> None:
        resting = _Resting(reached, self, monotonic() + LONGEST_REST)
        self._resting[way].append(resting)
        self.deadlines.watch(resting)

    def dismiss(self, resting: _Resting) -> None:
        """Say goodbye for a session that nobody wants any more."""
        for way, several in list(self._resting.items()):
            if resting in several:
                self._forget(way, resting)
        resting.reached.connection.deadline = float("inf")  # whoever's it was has gone
        self.part(resting.reached)

    def part(self, reached: Reached) -> asyncio.Task[None]:
        """QUIT, and the end of the connection; it is said at the loop's next turn."""
        self.learn(reached)
        parting = asyncio.ensure_future(self._say_goodbye(reached))
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)
        return parting

    async def _say_goodbye(self, reached: Reached) -> None:
        try:
            await drive(reached.session.farewell(), reached.connection)
        finally:
            reached.connection.close()

    def let_go(self, reached: Reached) -> None:
        """The end of a session that has nobody to say goodbye to."""
        self.learn(reached)
        reached.connection.close()

    def learn(self, reached: Reached) -> None:
        """Keep what a session taught us of its host, for the next one."""
        lost, habits = reached.connection.lost, reached.session.habits
        if lost is not None and lost.out_of_step:
            habits = replace(habits, no_pipelining=True)
        self.hosts.learn(reached.host, habits)
