"""A process may die before or after any call to the outside world: no promised letter is lost, and none lies.

Each case runs the whole life of one letter, or of two whose parcels share a task, kills whoever is at work at one
particular call, and lets the rest of the world go on: the client repeats what got no answer, the queue brings back what
wasn't acknowledged, the sweep passes by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from postroom.accept import SubmitRequest
from postroom.batch import AcceptBatch, BatchRequest
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.message.letter import Attachment, Letter
from postroom.ports import Fetched
from tests.usecases.fate import Fate
from tests.usecases.mortal import Mortal
from tests.usecases.office import UseCases, deferred, taken

FILE = Attachment(filename="x", content_type="", path="https://files.example/x")


def letter(number: int, files: tuple[Attachment, ...]) -> Letter:
    sender, to = Mailbox.parse("a@example.org"), (Mailbox.parse(f"r{number}@example.net"),)
    return Letter(sender=sender, to=to, subject="x", text="x", attachments=files)


class World(Mortal):
    """One letter's life, or that of two whose parcels share a task."""

    def __init__(
        self, folder: Path, fate: Fate, on_unknown: str, letters: int = 1, files: tuple[Attachment, ...] = ()
    ) -> None:
        super().__init__(UseCases(folder), fate)
        self.on_unknown = on_unknown
        self.letters = letters
        self.files = files
        self._fetched = count()  # each fetch brings another, and the first that is stored counts
        self.promised: list[Submission] = []
        self.copies: defaultdict[str, list[bytes]] = defaultdict(list)  # by their recipients
        self._answers = iter((deferred, taken))  # the first attempt is deferred, the second accepted
        self.office.wire.judge = self._judge

    def _judge(self, mail: Any) -> Any:
        answer = next(self._answers, taken)
        if answer is taken:
            self.copies[mail.recipients[0]].append(
                mail.octets
            )  # the destination has it, whatever becomes of whoever brought it
        return self.fate.watched("wire.reply", answer)(mail)

    def live(self) -> None:
        """A life, until nothing is left to do."""
        while not self.promised:
            self.promised = self._survived(self._submit) or []
        for _ in range(50):
            if any(self.office.stored(each).parcels[0].open for each in self.promised):
                self._a_while()

    def _submit(self) -> list[Submission]:
        asked = [
            SubmitRequest(letter=letter(number, self.files), fingerprint="f", on_unknown=self.on_unknown)
            for number in range(self.letters)
        ]
        if self.letters == 1:
            return [self._accept()(replace(asked[0], idempotency_key="key"))]
        taken = AcceptBatch(self._accept())(BatchRequest(items=asked, fingerprint="f", idempotency_key="key"))
        return [each for each in taken if isinstance(each, Submission)]

    def _a_while(self) -> None:
        """Twenty minutes: what is due runs, the sweep passes by."""
        office = self.office
        office.now += timedelta(minutes=20)
        for task, at in list(office.schedule.put_):
            if at <= office.now:
                office.schedule.put_.remove((task, at))
                if self._survived(lambda task=task: self._worker()(task) or True) is None:  # type: ignore[misc]
                    office.schedule.put_.append((task, office.now))  # not acknowledged: it comes again
        self._survived(lambda: self._sweep()())

    def _accept(self) -> Any:
        return replace(self.office.accept, submissions=self._store, schedule=self._queue)

    def _worker(self) -> Any:
        worker = self.office.worker(f"worker-{next(self._names)}", self._store)
        enclosures = replace(
            worker.enclosures, directory=self._directory, fetch=self.fate.watched("web.fetch", self._fetch)
        )
        return replace(worker, schedule=self._queue, enclosures=enclosures)

    def _fetch(self, *_: Any) -> Fetched:
        return Fetched(b"%d" % next(self._fetched), "text/plain")


def lived(
    folder: Path,
    strikes_at: int,
    *,
    after: bool,
    on_unknown: str,
    letters: int = 1,
    files: tuple[Attachment, ...] = (),
) -> World:
    world = World(folder, Fate(strikes_at, after), on_unknown, letters, files)
    try:
        world.live()
    finally:
        world.office.close()
    return world


def moments(
    folder: Path, on_unknown: str, letters: int, files: tuple[Attachment, ...] = ()
) -> Iterator[tuple[int, str]]:
    """The calls of a life in which nobody dies."""
    life = lived(folder, -1, after=False, on_unknown=on_unknown, letters=letters, files=files)
    yield from enumerate(life.fate.calls)


@pytest.mark.parametrize("on_unknown", ["retry", "hold"])
@pytest.mark.parametrize(
    ("after", "letters"), [(False, 1), (True, 1), (True, 2)], ids=["before the call", "after it", "after it, of two"]
)
def test_wherever_a_process_dies_the_letters_arrive_and_nobody_lies(
    tmp_path: Path, after: bool, on_unknown: str, letters: int
) -> None:
    calls = list(moments(tmp_path / "calm", on_unknown, letters))
    create = "submissions.create" if letters == 1 else "submissions.create_many"
    assert {create, "schedule.put_many", "submissions.change", "wire.reply"} <= {name for _, name in calls}
    for number, name in calls:
        world = lived(tmp_path / str(number), number, after=after, on_unknown=on_unknown, letters=letters)
        case = f"killed {'after' if after else 'before'} call {number}, {name}"
        assert world.deaths == 1, case
        assert len(world.promised) == letters, case
        for promised in world.promised:
            check(world, promised, name, case)


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after it"])
def test_wherever_a_process_dies_the_letters_arrive_with_the_files_that_were_stored_first(
    tmp_path: Path, after: bool
) -> None:
    calls = list(moments(tmp_path / "calm", "retry", 2, (FILE,)))
    assert {"web.fetch", "submissions.complete", "directory.create", "directory.delete"} <= {name for _, name in calls}
    for number, name in calls:
        world = lived(tmp_path / str(number), number, after=after, on_unknown="retry", letters=2, files=(FILE,))
        case = f"killed {'after' if after else 'before'} call {number}, {name}"
        assert world.deaths == 1, case
        for promised in world.promised:
            check(world, promised, name, case)


def check(world: World, promised: Submission, name: str, case: str) -> None:
    (bob,) = world.office.stored(promised).recipients
    copies = world.copies[bob.address]
    assert len(set(copies)) <= 1, f"{case}: the copies differ"
    if world.on_unknown == "retry":
        assert bob.status == "delivered", case
        assert copies, case
        assert len(copies) == 1 or bob.possibly_delivered, f"{case}: a second copy that nobody admits"
    else:
        assert len(copies) <= 1, f"{case}: held, and sent twice"
        assert bob.status in ("delivered", "unknown"), case
        assert bob.status == "unknown" or copies, case
        in_doubt = name in ("wire.reply", "submissions.change")  # between the mark and the record of the reply
        assert bob.status == "delivered" or in_doubt, f"{case}: no reason for doubt"
