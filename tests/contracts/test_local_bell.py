"""The bell of one machine: who listens hears it, whoever listened before."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from postroom.clouds.local.bell import Bell, Listener


def hears(listener: Listener) -> bool:
    """Whether it is woken well before it would look by itself."""
    began = monotonic()
    listener.wait(30)
    return monotonic() - began < 10


def test_it_is_heard_by_each_listener_in_turn(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    bell.ring()  # nobody is there yet
    for _ in range(3):
        listener = bell.listen()
        bell.ring()
        assert hears(listener)
        listener.close()
        bell.ring()  # and nobody any more


def test_a_ring_that_nobody_takes_up_keeps_nobody_waiting(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    listener = bell.listen()
    for _ in range(100_000):  # more than a pipe holds
        bell.ring()
    assert hears(listener)
    listener.close()
