"""Which of a lane's tasks come first: many for whoever takes them quickly, few for whoever doesn't."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import count

from postroom.clouds.local.queue import Task
from postroom.clouds.local.turns import SLOW, SLOW_EACH, Turns
from tests.contracts import samples
from tests.contracts.samples import NOON


@dataclass
class Lane:
    """Sixty-four workers, unless a test says else, who begin at once whatever is admitted."""

    workers: int = 64
    now: float = 0.0
    under_way: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count()
        self.turns = Turns(self.workers, self._begin, lambda: self.now)
        self._begun: list[Task] = []

    def offer(self, destination: str | None, tasks: int = 1, body: bytes = b"") -> int:
        """How many of so many tasks were taken in hand."""
        taken = 0
        for _ in range(tasks):
            number = next(self._numbers)
            taken += self.turns.add(Task(number, str(number), "mx", body, NOON, destination=destination))
            self._start()
        return taken

    def end(self, destination: str, tasks: int | None = None) -> None:
        """Have the eldest of its tasks end."""
        for task in [each for each in self.under_way if each.destination == destination][:tasks]:
            self.under_way.remove(task)
            self.turns.ends(task)
            self._start()

    @property
    def running(self) -> Counter[str | None]:
        return Counter(task.destination for task in self.under_way)

    def _begin(self, task: Task) -> None:
        self._begun.append(task)

    def _start(self) -> None:
        for task in self._begun:
            self.under_way.append(task)
            self.turns.begins(task)
        self._begun.clear()


def earn(lane: Lane, destination: str, tasks: int = 200) -> None:
    """Have so many of its tasks end quickly."""
    for _ in range(tasks):
        lane.offer(destination)
        lane.end(destination, 1)


def test_nobody_knows_a_new_destination_so_it_has_an_eighth() -> None:
    lane = Lane()
    assert lane.offer("new.example", 100) == 32
    assert lane.running == {"new.example": 8}
    assert lane.turns.full() == ["new.example"]


def test_each_task_that_ends_soon_earns_one_more() -> None:
    lane = Lane()
    lane.offer("new.example", 30)
    lane.end("new.example", 3)
    assert lane.running == {"new.example": 11}


def test_a_destination_alone_may_have_all_workers_and_among_others_three_quarters() -> None:
    lane = Lane()
    earn(lane, "relay.example")
    lane.offer("relay.example", 100)
    assert lane.running == {"relay.example": 64}
    lane = Lane()
    earn(lane, "relay.example")
    earn(lane, "other.example", 1)
    lane.offer("relay.example", 100)
    assert lane.running == {"relay.example": 48}


def test_one_task_that_lasts_costs_all_that_was_earned() -> None:
    lane = Lane()
    earn(lane, "was.fast.example")
    lane.offer("was.fast.example")
    lane.now += SLOW + 1
    lane.turns.look()
    lane.offer("was.fast.example", 100)
    assert lane.running == {"was.fast.example": 8}


def test_those_that_wait_for_a_slow_one_are_handed_back() -> None:
    lane = Lane()
    lane.offer("slow.example", 20)
    assert lane.turns.look() == []
    lane.now += SLOW + 1
    assert len(lane.turns.look()) == 12
    assert lane.offer("slow.example") == 0
    assert lane.turns.full() == ["slow.example"]
    lane.end("slow.example", 1)
    assert lane.turns.full() == []
    assert lane.offer("slow.example") == 1
    assert lane.running == {"slow.example": 8}


def test_all_the_slow_ones_together_have_half() -> None:
    lane = Lane()
    names = [f"{number}.slow.example" for number in range(7)]
    for name in names:
        lane.offer(name, 1)
    lane.now += SLOW + 1
    lane.turns.look()
    for name in names:
        lane.offer(name, 20)
    assert lane.running.total() == 32
    assert max(lane.running.values()) == 8
    lane.offer("fast.example", 8)
    assert lane.running["fast.example"] == 8
    lane.end("0.slow.example")
    assert lane.running.total() - 8 <= 32


def test_a_slow_one_that_is_quick_again_earns_anew() -> None:
    lane = Lane()
    lane.offer("slow.example", 2)
    lane.now += SLOW + 1
    lane.turns.look()
    lane.end("slow.example")
    earn(lane, "slow.example", 10)
    lane.offer("slow.example", 100)
    assert lane.running == {"slow.example": 18}


def test_a_task_for_nobody_in_particular_waits_for_nobody() -> None:
    lane = Lane()
    assert lane.offer(None, 100) == 100
    assert lane.running == {None: 100}
    assert lane.turns.full() == []


def test_few_workers_are_shared_too() -> None:
    lane = Lane(workers=3)
    lane.offer("slow.example", 5)
    assert lane.running == {"slow.example": 2}
    lane.offer("fast.example", 5)
    assert lane.running["fast.example"] == 2


def test_a_task_of_several_letters_may_take_longer() -> None:
    lane = Lane()
    body = replace(samples.task(), parcels=samples.task().parcels * 21).body()
    lane.offer("slow.example", 10, body)
    lane.now += SLOW + 1
    lane.turns.look()
    assert lane.offer("slow.example", 30, body), "it isn't slow yet"
    lane.end("slow.example", 2)
    assert lane.running == {"slow.example": 10}, "and it has earned more"
    lane.now += 20 * SLOW_EACH
    assert lane.turns.look()
    assert lane.turns.full() == ["slow.example"]
