"""The letters of one conversation, pulled from its caller a little ahead of their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice

from postroom.smtp.envelope import Mail


class Letters:
    """What is pulled and not settled yet, in order. Asking goes on in the background while a letter is under way."""

    def __init__(self, first: Mail, second: Mail | None, ask: Callable[[asyncio.Future[Mail | None]], None]) -> None:
        self._ask = ask
        self._pulled = deque([first])
        self._asked: asyncio.Future[Mail | None] | None = asyncio.get_running_loop().create_future()
        self._asked.set_result(second)

    async def pull(self, count: int) -> None:
        """Have as many at hand, if there are as many."""
        while len(self._pulled) < count and self._asked is not None:
            mail = await self._asked
            self._asked = None
            if mail is not None:
                self._pulled.append(mail)
                self._asked = asyncio.get_running_loop().create_future()
                self._ask(self._asked)

    async def next(self) -> Mail | None:
        """The first, or None where there are no more."""
        await self.pull(1)
        return self.at(0)

    def at(self, place: int) -> Mail | None:
        """The letter so many places behind the first, of those at hand."""
        return self._pulled[place] if place < len(self._pulled) else None

    def first(self, most: int) -> list[Mail]:
        """Those at hand, `most` at most."""
        return list(islice(self._pulled, most))

    def settled(self, mail: Mail) -> None:
        """It is done with."""
        if self._pulled[0] is mail:
            self._pulled.popleft()
        else:
            self._pulled = deque(each for each in self._pulled if each is not mail)

    async def left(self) -> list[Mail]:
        """All that were pulled and are not settled; no more are asked for."""
        last = await self._asked if self._asked is not None else None
        self._asked = None
        return [*self._pulled, *([last] if last is not None else [])]
