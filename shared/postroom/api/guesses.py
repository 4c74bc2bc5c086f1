"""Keys that were guessed: each costs a look into the directory, so an address may guess a limited number of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network

from postroom.account.key import Address, Network

MOST = 100  # different wrong keys, from one address within a minute, in one process
MOST_PLACES = 1000  # that are watched at once


class Guesses:
    """The wrong keys of the current minute, by where they came from.

    The same wrong key over and over is a client that wasn't told of a new one, and no guess.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._minute = 0
        self._guessed: dict[Address | Network | None, set[int]] = {}

    def add(self, address: Address | None, hashed: str) -> None:
        """A key with that hash came from there, and was wrong."""
        place = _place(address)
        # Where too many places guess, those that come last aren't watched: to refuse them would stop good keys too.
        if place in self._guessed or len(self._guessed) < MOST_PLACES:
            self._guessed.setdefault(place, set()).add(hash(hashed))

    def too_many(self, address: Address | None) -> bool:
        """Whether keys from there aren't looked up any more within this minute."""
        minute = int(self._clock().timestamp()) // 60
        if minute != self._minute:
            self._minute, self._guessed = minute, {}
        return len(self._guessed.get(_place(address), ())) >= MOST


def _place(address: Address | None) -> Address | Network | None:
    """The address, or in IPv6 the network that one customer has whole (RFC 4291 §2.5.4)."""
    return IPv6Network((int(address), 64), strict=False) if isinstance(address, IPv6Address) else address
