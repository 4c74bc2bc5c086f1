"""The `Wire` on aiosmtplib: letters over SMTP, the session itself being `smtp.dialogue`'s.

The caller's thread claims and settles, the background loop speaks. They hand each other letters and verdicts
through a queue, so that a slow store never holds up another session's conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from postroom.delivery.routing import Target
from postroom.internet.conversation import Conversation
from postroom.internet.hosts import Hosts
from postroom.internet.loop import Background
from postroom.internet.pool import Pool
from postroom.internet.reach import Reach
from postroom.ports import Carried
from postroom.smtp.envelope import Mail


@dataclass(frozen=True, slots=True)
class _Settled:
    mail: Mail
    carried: Carried


@dataclass(frozen=True, slots=True)
class _Wanted:
    answer: asyncio.Future[Mail | None]


@dataclass(frozen=True, slots=True)
class _Ending:
    mail: Mail
    answer: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


_Event = _Settled | _Wanted | _Ending | _Ended


class SmtpWire:
    """Carries letters over SMTP, over connections that `reach` makes and conversations of one process share."""

    def __init__(self, reach: Reach, background: Background) -> None:
        self._reach = reach
        self._background = background
        self._hosts = Hosts()
        self._pool: tuple[asyncio.AbstractEventLoop, Pool] | None = None

    def converse(
        self,
        target: Target,
        mails: Iterator[Mail],
        deadline: float,
        mark: Callable[[Mail], bool],
        settled: Callable[[Mail, Carried], None],
    ) -> None:
        first = next(mails, None)
        if first is None:
            return
        call = _Call()
        # The second is pulled here and now: most sessions have none, and then the loop need never ask.
        self._background.start(self._run, call, target, deadline, first, next(mails, None))
        try:
            while True:
                match call.events.get():
                    case _Settled(mail, carried):
                        settled(mail, carried)
                    case _Wanted(answer):
                        self._background.call(_give, answer, next(mails, None))
                    case _Ending(mail, said):
                        self._background.call(_give, said, mark(mail))
                    case _Ended(error):
                        if error is not None:
                            raise error
                        return
        except BaseException:
            self._background.call(call.cancel)
            raise

    # On the loop.

    async def _run(self, call: _Call, target: Target, deadline: float, first: Mail, second: Mail | None) -> None:
        call.task = asyncio.current_task()
        error: BaseException | None = None
        pool = self._pool_of_this_loop()
        try:
            async with pool.conversation():
                await Conversation(call, self._reach, pool, target, deadline).carry(first, second)
        except BaseException as surprise:
            error = surprise
        call.events.put(_Ended(error))

    def _pool_of_this_loop(self) -> Pool:
        """A process that was forked since has another loop, and none of its parent's sessions."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool[0] is not loop:
            self._pool = (loop, Pool(self._hosts))
        return self._pool[1]


class _Call:
    """One call of `converse`, as the loop sees it: its caller's thread, asked and told through a queue."""

    def __init__(self) -> None:
        self.events: SimpleQueue[_Event] = SimpleQueue()
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def settle(self, mail: Mail, carried: Carried) -> None:
        self.events.put(_Settled(mail, carried))

    def pull(self, answer: asyncio.Future[Mail | None]) -> None:
        self.events.put(_Wanted(answer))

    def mark(self, mail: Mail) -> asyncio.Future[bool]:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.events.put(_Ending(mail, answer))
        return answer


def _give(answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        answer.set_result(value)
