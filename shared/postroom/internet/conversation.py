"""One caller's letters, carried in sessions with one target: the loop's side of the wire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import takewhile
from typing import Protocol

from postroom.delivery.routing import Target
from postroom.internet.letters import Letters
from postroom.internet.pool import Pool, Way, way
from postroom.internet.reach import Errand, Reach
from postroom.internet.reached import Reached, Unreached, drive
from postroom.ports import Carried
from postroom.smtp.dialogue import commands_of
from postroom.smtp.envelope import Mail
from postroom.smtp.transcript import Line, shares
from postroom.smtp.verdict import Fate, Verdict

log = logging.getLogger(__name__)


class Caller(Protocol):
    """Whoever's letters are carried, as seen from the loop."""

    def settle(self, mail: Mail, carried: Carried) -> None: ...

    def pull(self, answer: asyncio.Future[Mail | None]) -> None: ...

    def mark(self, mail: Mail) -> Awaitable[bool]: ...


@dataclass(frozen=True, slots=True)
class _Session:
    """A session, and where it leads: the target, or one of its fallbacks."""

    reached: Reached
    target: Target
    number: int  # of fallbacks on the way there
    shared: Way
    note: str | None  # why it isn't with the target itself
    missed: str | None  # the cause of that

    def noted(self, verdicts: tuple[Verdict, ...]) -> str | None:
        """The note, and what is noted of the verdicts behind it."""
        if self.note is None:
            return None
        return " ".join((self.note, *dict.fromkeys(verdict.note for verdict in verdicts if verdict.note)))


@dataclass
class Conversation:
    """Carries a caller's letters until there are no more, or no session for them."""

    caller: Caller
    reach: Reach
    pool: Pool
    target: Target
    deadline: float  # monotonic

    def __post_init__(self) -> None:
        targets = [self.target]
        while (fallback := targets[-1].fallback) is not None:
            targets.append(fallback)
        self._ways = cache(lambda asked: tuple((target, way(target, asked)) for target in targets))

    async def carry(self, first: Mail, second: Mail | None) -> None:
        letters = Letters(first, second, self.caller.pull)
        again = True
        seen: tuple[Line, ...] = ()  # by the next letter, of a session that ended before it was judged
        while again and (mail := await letters.next()) is not None:
            # Whatever has just come to nothing isn't tried on another session that rests.
            found = await self._session(mail, fresh=bool(seen))
            if isinstance(found, Unreached):
                await self._none_for(letters, mail, found, seen)
                seen = ()
                continue
            try:
                again, seen = await self._letters(found, letters, seen)
            except BaseException:
                self.pool.let_go(found.reached)
                raise
        for mail in await letters.left():
            self.caller.settle(mail, Carried(verdicts=_not_attempted(mail)))

    async def _session(self, mail: Mail, *, fresh: bool) -> _Session | Unreached:
        """With the target, or where none of its servers can be reached with its fallback.

        No letter that somebody has judged, or may have, gets here a second time: the fallback has it to itself.
        """
        tried: list[Unreached] = []
        for number, (target, shared) in enumerate(self._ways(mail.security)):
            found = await self._reached(target, shared, fresh=fresh)
            if isinstance(found, Reached):
                return _Session(found, target, number, shared, _told(tried), tried[0].cause if tried else None)
            tried.append(found)
            if found.cause == "tls":
                break  # a server that mustn't be trusted with the letter is no reason to trust another one
        *before, last = tried
        missed = tried[0].cause if before else None
        return replace(last, note=" ".join(filter(None, (_told(before), last.note))), missed=missed)

    async def _reached(self, target: Target, shared: Way, *, fresh: bool) -> Reached | Unreached:
        """A session that rests, unless it must be fresh, or a new one."""
        resting = None if fresh else self.pool.take(shared, target.best)
        if resting is not None:
            resting.connection.deadline = self.deadline
            return resting
        try:
            return await self.reach(
                Errand(target, shared.security, self.deadline, self.pool.hosts, self.pool.deadlines)
            )
        except Exception as surprise:
            return Unreached(note=_ours(surprise), cause="internal_error", route=target.route)

    async def _none_for(self, letters: Letters, first: Mail, found: Unreached, seen: tuple[Line, ...]) -> None:
        """Nobody answers, so it is the same for every letter that goes the same ways. The first has `seen` more."""
        ways = self._ways(first.security)
        while (mail := await letters.next()) is not None and self._ways(mail.security) == ways:
            letters.settled(mail)
            carried = found.carried(mail)
            self.caller.settle(mail, replace(carried, transcript=(*seen, *carried.transcript)))
            seen = ()

    async def _letters(self, at: _Session, letters: Letters, seen: tuple[Line, ...]) -> tuple[bool, tuple[Line, ...]]:
        """Carry letters until there are no more that go this way, or the session ends.

        Whether those that are left may have another session at once, and what the first of them has seen of this one.

        The next letter is claimed and rendered while this one is under way, so that it is known before the
        final dot whether QUIT follows: a verdict never waits for a claim.
        """
        found, session, connection = at.reached, at.reached.session, at.reached.connection
        introduction = connection.transcript.lines(0, found.introduced)
        left, parting = False, None
        while not left and (mails := await self._together(at, letters)):
            following = letters.at(len(mails))
            begun, trips = len(connection.transcript), connection.round_trips
            verdicts = await self._transactions(found, mails)
            trips = connection.round_trips - trips
            left = following is None or not found.usable
            if left:
                parting = await self._leave(at)
            flight = connection.transcript.lines(begun)
            parts = shares(flight, [commands_of(mail) for mail in mails]) if len(mails) > 1 else [flight]
            before, seen = seen, ()
            for mail, judged, part in zip(mails, verdicts, parts, strict=True):
                lines = (*before, *introduction, *part)
                before = ()
                if session.moved_on and all(verdict.fate is Fate.NOT_ATTEMPTED for verdict in judged):
                    # Nobody has judged it: it goes in the next session, and the first such has seen this one end.
                    seen = seen or lines
                    continue
                letters.settled(mail)
                carried = found.carried(judged, lines, trips, at.target.route, at.noted(judged), at.missed)
                self.caller.settle(mail, carried)
        if not left:
            parting = await self._leave(at)
        if parting is not None and letters.at(0) is not None:
            await asyncio.wait([parting])  # a server that allows one session at once must not see two
        return session.moved_on or not left, seen

    async def _together(self, at: _Session, letters: Letters) -> list[Mail]:
        """The next letters that go this way in one flight; none where the session is too old for more.

        The one behind them is pulled too.
        """
        found = at.reached
        if not found.reusable:
            return []
        most = at.target.depth
        await letters.pull(most + 1)
        mails = [*takewhile(lambda mail: self._ways(mail.security)[at.number][1] == at.shared, letters.first(most))]
        return mails[: found.session.together(mails, most)] if len(mails) > 1 else mails

    async def _transactions(self, found: Reached, mails: list[Mail]) -> list[tuple[Verdict, ...]]:
        session, connection = found.session, found.connection
        try:
            if len(mails) > 1:
                return await drive(session.transactions(mails), connection)
            mark = partial(self.caller.mark, mails[0]) if mails[0].marked else None
            return [await drive(session.transaction(mails[0], connection.idle), connection, mark)]
        except Exception as surprise:
            note = _ours(surprise)
            return [session.broken_off(mail, note) for mail in mails]

    async def _leave(self, at: _Session) -> asyncio.Task[None] | None:
        """Let the session rest where somebody else may have a use for it, else say goodbye, which is under way then."""
        found = at.reached
        if found.reusable and self.pool.shared:
            self.pool.rest(at.shared, found)
        elif found.connection.lost is None:
            parting = self.pool.part(found)
            await asyncio.sleep(0)  # one turn of the loop: QUIT is said
            return parting
        else:
            self.pool.let_go(found)
        return None


def _told(tried: list[Unreached]) -> str | None:
    """Why a fallback was used."""
    return " ".join(f"Route {each.route} could not be used: {each.note}." for each in tried) or None


def _ours(surprise: Exception) -> str:
    """A failure that is postroom's own is no reason to leave letters behind under a claim: it is told and logged."""
    log.error("a session failed", exc_info=surprise)
    return f"postroom itself failed: {type(surprise).__name__}: {surprise}"


def _not_attempted(mail: Mail) -> tuple[Verdict, ...]:
    note = "The session ended before this letter's turn came"
    return tuple(Verdict(recipient, Fate.NOT_ATTEMPTED, note=note) for recipient in mail.recipients)
