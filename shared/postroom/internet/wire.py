"""The `Wire` on aiosmtplib: letters over SMTP, the session itself being `smtp.dialogue`'s.

The caller's thread claims and settles, the background loop speaks. They hand each other letters and verdicts
through a queue, so that a slow store never holds up another session's conversation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from postroom.delivery.routing import Target
from postroom.internet.loop import Background
from postroom.internet.reach import Reach, Reached, Unreached, drive
from postroom.ports import Carried
from postroom.smtp.dialogue import Mail
from postroom.smtp.verdict import Fate, Verdict

log = logging.getLogger(__name__)

T = TypeVar("T")


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
    """Carries letters over SMTP, over connections that `reach` makes."""

    def __init__(self, reach: Reach, background: Background) -> None:
        self._reach = reach
        self._background = background

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
        conversation = _Conversation(self._reach, target, deadline)
        # The second is pulled here and now: most sessions have none, and then the loop need never ask.
        self._background.start(conversation.run, first, next(mails, None))
        try:
            while True:
                match conversation.events.get():
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
            self._background.call(conversation.cancel)
            raise


def _give(answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        answer.set_result(value)


class _Conversation:
    """One call of `converse`, on the loop's side."""

    def __init__(self, reach: Reach, target: Target, deadline: float) -> None:
        self.events: SimpleQueue[_Event] = SimpleQueue()
        self._reach = reach
        self._target = target
        self._deadline = deadline
        self._task: asyncio.Task[None] | None = None
        self._asked: asyncio.Task[Mail | None] | None = None

    async def run(self, first: Mail, second: Mail | None) -> None:
        self._task = asyncio.current_task()
        ahead: asyncio.Future[Mail | None] = asyncio.get_running_loop().create_future()
        ahead.set_result(second)
        error: BaseException | None = None
        try:
            await self._carry(first, ahead)
        except BaseException as surprise:
            error = surprise
        if self._asked is not None:
            self._asked.cancel()  # changes nothing where it was answered
        self.events.put(_Ended(error))

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _carry(self, first: Mail, ahead: asyncio.Future[Mail | None]) -> None:
        try:
            found = await self._reach(self._target, first.security, self._deadline)
        except Exception as surprise:
            found = Unreached(note=_ours(surprise), cause="internal_error")
        if isinstance(found, Reached):
            try:
                left = await self._letters(found, first, ahead)
            finally:
                found.connection.close()
            for each in left:
                self._settle(each, found.carried(_not_attempted(each)))
            return
        mail: Mail | None = first
        while mail is not None:
            self._settle(mail, found.carried(mail))
            mail = await ahead
            if mail is not None:
                ahead = self._ask_ahead()

    async def _letters(self, found: Reached, first: Mail, ahead: asyncio.Future[Mail | None]) -> list[Mail]:
        """Carry letters until there are no more or the session ends; those that were pulled in vain.

        The next letter is claimed and rendered while this one is under way, so that it is known before the
        final dot whether QUIT follows: a verdict never waits for a claim.
        """
        session, connection = found.session, found.connection
        introduced = len(connection.transcript)
        goodbye: asyncio.Future[None] | None = None
        mail: Mail | None = first
        following: Mail | None = None
        while mail is not None and session.open:
            following = await ahead
            if following is not None:
                ahead = self._ask_ahead()
            begun, trips = len(connection.transcript), connection.round_trips
            try:
                mark = partial(self._mark, mail) if mail.marked else None
                verdicts = await drive(session.transaction(mail), connection, mark)
            except Exception as surprise:
                verdicts = session.broken_off(mail, _ours(surprise))
            trips = connection.round_trips - trips
            if following is None or not session.open:
                goodbye = await self._part(found)
            lines = connection.transcript.lines(0, introduced) + connection.transcript.lines(begun)
            self._settle(mail, found.carried(verdicts, lines, trips))
            mail = following
        if goodbye is not None:
            await goodbye
        pulled = [mail, await ahead] if mail is not None else []
        return [each for each in pulled if each is not None]

    def _settle(self, mail: Mail, carried: Carried) -> None:
        self.events.put(_Settled(mail, carried))

    async def _part(self, found: Reached) -> asyncio.Future[None]:
        """QUIT is said when this returns; its answer is whoever's who cares to wait."""
        goodbye = asyncio.ensure_future(drive(found.session.farewell(), found.connection))
        await asyncio.sleep(0)  # one turn of the loop: the command is written
        return goodbye

    async def _mark(self, mail: Mail) -> bool:
        return await self._answer(partial(_Ending, mail))

    def _ask_ahead(self) -> asyncio.Future[Mail | None]:
        self._asked = asyncio.create_task(self._answer(_Wanted))
        return self._asked

    async def _answer(self, question: Callable[[asyncio.Future[T]], _Event]) -> T:
        """Put the question to the caller's thread and wait for what it says."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.events.put(question(answer))
        return await answer


def _ours(surprise: Exception) -> str:
    """A failure that is postroom's own is no reason to leave letters behind under a claim: it is told and logged."""
    log.error("a session failed", exc_info=surprise)
    return f"postroom itself failed: {type(surprise).__name__}: {surprise}"


def _not_attempted(mail: Mail) -> tuple[Verdict, ...]:
    note = "The session ended before this letter's turn came"
    return tuple(Verdict(recipient, Fate.NOT_ATTEMPTED, note=note) for recipient in mail.recipients)
