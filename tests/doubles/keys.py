"""Private keys for tests that make many. To find the primes of an RSA key takes a tenth of a second, or ten."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Literal

from postroom.message.dkim import new_key

_ROUND = 3  # keys of RSA, which come again after so many
_NUMBER = count()


def a_key(kind: Literal["rsa", "ed25519"]) -> bytes:
    """A key as PEM, and another one than the last."""
    return new_key("ed25519") if kind == "ed25519" else _rsa(next(_NUMBER) % _ROUND)


@cache
def _rsa(_number: int) -> bytes:
    return new_key("rsa")
