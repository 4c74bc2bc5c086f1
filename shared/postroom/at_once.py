"""Several calls of a home at once, where each is a round trip of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 16

A = TypeVar("A")
B = TypeVar("B")


def at_once(work: Callable[[A], B], items: Iterable[A], most: int = MOST) -> list[B]:
    """`work` for each, `most` at a time, in their order.

    Raises what the first of them raised that failed; what has not begun by then is left.
    """
    given = list(items)
    if len(given) < 2:
        return [work(each) for each in given]
    with ThreadPoolExecutor(min(len(given), most)) as pool:
        return list(pool.map(work, given))
