"""The `Wire` on aiosmtplib: letters over SMTP, the session itself being `smtp.dialogue`'s.

The caller's thread claims and settles, the background loop speaks. They hand each other letters and verdicts
through a queue, so that a slow store never holds up another session's conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue

from postroom.delivery.routing import Target
from postroom.internet.loop import Background
from postroom.internet.reach import Reach, Reached, drive
from postroom.ports import Carried
from postroom.smtp.dialogue import Mail
from postroom.smtp.verdict import Fate, Verdict


@dataclass(frozen=True, slots=True)
class _Settled:
    mail: Mail
    carried: Carried


@dataclass(frozen=True, slots=True)
class _Wanted:
    answer: asyncio.Future[Mail | None]


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


_Event = _Settled | _Wanted | _Ended


class SmtpWire:
    """Carries letters over SMTP, over connections that `reach` makes."""

    def __init__(self, reach: Reach, background: Background) -> None:
        self._reach = reach
        self._background = background

    def converse(
        self, target: Target, mails: Iterator[Mail], deadline: float, settled: Callable[[Mail, Carried], None]
    ) -> None:
        first = next(mails, None)
        if first is None:
            return
        events: SimpleQueue[_Event] = SimpleQueue()
        loop = self._background.loop
        conversation = _Conversation(self._reach, target, events, deadline)
        running = self._background.start(conversation.run(first))
        try:
            while True:
                match events.get():
                    case _Settled(mail, carried):
                        settled(mail, carried)
                    case _Wanted(answer):
                        loop.call_soon_threadsafe(_give, answer, next(mails, None))
                    case _Ended(error):
                        if error is not None:
                            raise error
                        return
        finally:
            running.cancel()  # changes nothing where it has ended


def _give(answer: asyncio.Future[Mail | None], mail: Mail | None) -> None:
    if not answer.done():
        answer.set_result(mail)


class _Conversation:
    """One call of `converse`, on the loop's side."""

    def __init__(self, reach: Reach, target: Target, events: SimpleQueue[_Event], deadline: float) -> None:
        self._reach = reach
        self._target = target
        self._events = events
        self._deadline = deadline

    async def run(self, first: Mail) -> None:
        error: BaseException | None = None
        ahead = asyncio.ensure_future(self._want())  # answered while the server is being reached
        try:
            await self._carry(first, ahead)
        except BaseException as surprise:
            error = surprise
            ahead.cancel()
        self._events.put(_Ended(error))

    async def _carry(self, first: Mail, ahead: asyncio.Future[Mail | None]) -> None:
        found = await self._reach(self._target, first.security, self._deadline)
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
            mail, ahead = await ahead, asyncio.ensure_future(self._want())
        ahead.cancel()

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
                ahead = asyncio.ensure_future(self._want())
            begun, trips = len(connection.transcript), connection.round_trips
            verdicts = await drive(session.transaction(mail), connection)
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
        self._events.put(_Settled(mail, carried))

    async def _part(self, found: Reached) -> asyncio.Future[None]:
        """QUIT is said when this returns; its answer is whoever's who cares to wait."""
        goodbye = asyncio.ensure_future(drive(found.session.farewell(), found.connection))
        await asyncio.sleep(0)  # one turn of the loop: the command is written
        return goodbye

    async def _want(self) -> Mail | None:
        answer: asyncio.Future[Mail | None] = asyncio.get_running_loop().create_future()
        self._events.put(_Wanted(answer))
        return await answer


def _not_attempted(mail: Mail) -> tuple[Verdict, ...]:
    note = "The session ended before this letter's turn came"
    return tuple(Verdict(recipient, Fate.NOT_ATTEMPTED, note=note) for recipient in mail.recipients)
