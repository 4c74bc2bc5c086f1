"""What a process remembers of the directory, for how long, and of how much."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from postroom import remembered
from postroom.remembered import Remembered
from tests.api.fakes import Drawer


@dataclass
class Memory:
    drawer: Drawer
    now: float = 0.0

    def __post_init__(self) -> None:
        self.directory = Remembered(self.drawer, 30, lambda: self.now)


@pytest.fixture
def memory() -> Memory:
    return Memory(Drawer({("key", "good"): {"n": 1}}))


def test_a_document_is_read_once_until_its_time_is_over(memory: Memory) -> None:
    assert memory.directory.get("key", "good") == {"n": 1}
    memory.drawer.delete("key", "good")
    memory.now = 29.9
    assert memory.directory.get("key", "good") == {"n": 1}
    assert memory.drawer.looked == 1
    memory.now = 30
    assert memory.directory.get("key", "good") is None


def test_what_is_absent_is_remembered_too_until_it_is_written_here(memory: Memory) -> None:
    assert memory.directory.get("key", "new") is None
    assert memory.directory.get("key", "new") is None
    assert memory.drawer.looked == 1
    memory.directory.put("key", "new", {"n": 2})
    assert memory.directory.get("key", "new") == {"n": 2}
    memory.directory.delete("key", "new")
    assert memory.directory.get("key", "new") is None
    assert memory.drawer.looked == 1


def test_a_change_that_came_too_late_makes_it_look_again(memory: Memory) -> None:
    assert memory.directory.get("key", "good") == {"n": 1}
    memory.drawer.put("key", "good", {"n": 2})
    assert not memory.directory.replace("key", "good", {"n": 3}, over={"n": 1})
    assert memory.directory.get("key", "good") == {"n": 2}


def test_keys_that_somebody_makes_up_drive_nothing_out(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 10)
    assert memory.directory.get("key", "good") == {"n": 1}
    for number in range(100):
        assert memory.directory.get("key", f"guess {number}") is None
    assert memory.directory.get_many("key", ["good", "guess 1"]) == {"good": {"n": 1}}
    memory.drawer.delete("key", "good")
    assert memory.directory.get("key", "good") == {"n": 1}


def test_it_remembers_no_more_than_so_many(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 10)
    for number in range(100):
        memory.directory.put("key", f"{number}", {"n": number})
        memory.directory.get("key", f"guess {number}")
    looked = memory.drawer.looked
    for number in range(100):
        assert memory.directory.get("key", f"{number}") == {"n": number}
    assert memory.drawer.looked - looked >= 90


def test_who_must_know_what_is_so_now_reads_afresh_and_others_learn_of_it() -> None:
    drawer = Drawer()
    memory = Remembered(drawer, 60, lambda: 0.0)
    drawer.put("domain", "a", {"n": 1})
    assert memory.get("domain", "a") == {"n": 1}
    drawer.put("domain", "a", {"n": 2})  # by another process
    assert memory.get("domain", "a") == {"n": 1}
    assert memory.afresh.get_many("domain", ["a"]) == {"a": {"n": 2}}
    assert memory.afresh.list("domain") == [("a", {"n": 2})]
    assert memory.afresh.get("domain", "a") == {"n": 2}
    assert memory.get("domain", "a") == {"n": 2}


def test_what_is_written_afresh_is_seen_at_once() -> None:
    memory = Remembered(Drawer(), 60, lambda: 0.0)
    assert memory.get("domain", "a") is None
    assert memory.afresh.create("domain", "a", {"n": 1}) == {"n": 1}
    assert memory.get("domain", "a") == {"n": 1}
    assert memory.afresh.replace("domain", "a", {"n": 2}, over={"n": 1})
    assert memory.get("domain", "a") == {"n": 2}
    memory.afresh.put("domain", "a", {"n": 3})
    assert memory.get("domain", "a") == {"n": 3}
    assert memory.afresh.delete("domain", "a")
    assert memory.get("domain", "a") is None
