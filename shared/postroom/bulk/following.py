"""Finding out what became of a campaign's letters, by pages of the list: a request tells of a hundred of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from postroom.bulk.ledger import Ledger
from postroom.bulk.mailing import CAMPAIGN
from postroom.bulk.patience import Patience

UNDER_WAY = ("queued", "delivery_delayed")
"""Last events of letters for which there is something to do at once, or soon."""

_SHORTEST, _LONGEST = 1.0, 10.0  # seconds between two looks
_SKEW = timedelta(minutes=1)  # between the clocks of several instances


class Following:
    """Reads the list of the letters of a campaign, taken since a moment where that is known."""

    def __init__(self, patience: Patience, campaign: str, since: datetime | None = None) -> None:
        self._patience = patience
        self._asked = {"tag": f"{CAMPAIGN}:{campaign}", "limit": "100"}
        if since is not None:
            self._asked["since"] = (since - _SKEW).isoformat()

    def letters(self, status: str | None = None) -> Iterator[Mapping[str, Any]]:
        """As the list shows them, newest first: all of them, or those with that last event. Raises `ApiError`."""
        asked = self._asked | ({} if status is None else {"status": status})
        while True:
            page = self._patience.call("GET", f"/emails?{urlencode(asked)}")
            yield from page["data"]
            if page["next"] is None:
                return
            asked["after"] = page["next"]

    def number(self, statuses: Sequence[str]) -> int:
        """How many have one of those last events. One that changes meanwhile may be missed."""
        return sum(1 for status in statuses for _ in self.letters(status))

    def events(self) -> Iterator[tuple[str, str]]:
        """The ids of all, with their last events."""
        return ((each["id"], each["last_event"]) for each in self.letters())

    def cause(self, id_: str) -> str:
        """Why a letter wasn't delivered, in a word."""
        recipients = self._patience.call("GET", f"/emails/{id_}")["recipients"]
        return next((str(each["cause"]) for each in recipients if each["cause"]), "no cause told")


def follow(
    following: Following,
    ledger: Ledger,
    progressed: Callable[[int], None],
    seconds: float,
    *,
    until_none_is: Sequence[str] = UNDER_WAY,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Note in the ledger what became of its letters, once nothing is left to do for them or the time is over.

    `progressed` is told how many have ended. Raises `ApiError`.
    """
    end = clock() + seconds
    while True:
        began = clock()
        left = following.number(until_none_is)
        progressed(ledger.accepted - left)
        over = clock() >= end
        if not left or over:
            ledger.tell(following.events())
            if over or not set(ledger.events()) & set(until_none_is):
                return
        # To ask costs the API time that it needs for what is waited for: two thirds of it are left alone.
        sleep(min(max(_SHORTEST, 2 * (clock() - began)), _LONGEST, max(end - clock(), 0)))
