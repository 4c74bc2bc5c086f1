"""The account of every row of a run, in a file that SQLite takes away by itself: memory doesn't grow with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 500
"""Letters in a batch; the API takes no more."""

LARGEST = 2_000_000
"""Octets of rows in a batch: Lambda takes 6 MB, and what the letters have in common comes on top."""

_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE row (
    place INTEGER PRIMARY KEY, line INTEGER NOT NULL, mailbox TEXT NOT NULL, own TEXT NOT NULL, cells TEXT NOT NULL,
    batch INTEGER NOT NULL, id TEXT, refusal TEXT, event TEXT
);
CREATE INDEX by_mailbox ON row (mailbox);
CREATE INDEX by_batch ON row (batch);
CREATE INDEX by_id ON row (id);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as its batch needs it."""

    place: int  # in the file, the first being 0
    own: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that the API didn't take."""

    line: int
    mailbox: str
    why: str
    cells: dict[str, str]


class Ledger:
    """Rows go in in the order of the file, which settles their batches: the same file has the same ones each time."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # a temporary file that has no name, where it outgrows its cache
        self._db.executescript(_TABLES)
        self._batch, self._letters, self._octets = 0, 0, 0
        self.rows = 0

    def add(self, line: int, mailbox: str, own: Mapping[str, Any], cells: Mapping[str, str]) -> None:
        packed = json.dumps(own)
        if self._letters == MOST or (self._letters and self._octets + len(packed) > LARGEST):
            self._batch, self._letters, self._octets = self._batch + 1, 0, 0
        self._letters += 1
        self._octets += len(packed)
        self._db.execute(
            "INSERT INTO row (place, line, mailbox, own, cells, batch) VALUES (?, ?, ?, ?, ?, ?)",
            (self.rows, line, mailbox, packed, json.dumps(cells), self._batch),
        )
        self.rows += 1

    def line_of(self, mailbox: str) -> int | None:
        """The first row's for that mailbox."""
        found = self._db.execute("SELECT line FROM row WHERE mailbox = ? ORDER BY place LIMIT 1", (mailbox,)).fetchone()
        return None if found is None else int(found[0])

    @property
    def batches(self) -> int:
        return self._batch + 1 if self.rows else 0

    def batch(self, number: int) -> Sequence[Entry]:
        rows = self._db.execute("SELECT place, own FROM row WHERE batch = ? ORDER BY place", (number,))
        return [Entry(place, json.loads(own)) for place, own in rows]

    def accept(self, taken: Iterable[tuple[int, str]]) -> None:
        """Note the ids of letters by their rows' places."""
        self._db.executemany("UPDATE row SET id = ? WHERE place = ?", ((id_, place) for place, id_ in taken))

    def refuse(self, refused: Iterable[tuple[int, str]]) -> None:
        """Note why, by places."""
        self._db.executemany("UPDATE row SET refusal = ? WHERE place = ?", ((why, place) for place, why in refused))

    def tell(self, events: Iterable[tuple[str, str]]) -> None:
        """Note the last events of letters by their ids; others than the run's are passed over."""
        self._db.executemany("UPDATE row SET event = ? WHERE id = ?", ((event, id_) for id_, event in events))

    @property
    def accepted(self) -> int:
        return int(self._db.execute("SELECT count(id) FROM row").fetchone()[0])

    @property
    def refused(self) -> int:
        return int(self._db.execute("SELECT count(refusal) FROM row").fetchone()[0])

    def first_id(self) -> str | None:
        found = self._db.execute("SELECT id FROM row WHERE id IS NOT NULL ORDER BY place LIMIT 1").fetchone()
        return None if found is None else str(found[0])

    def refusals(self) -> Iterator[Refusal]:
        rows = self._db.execute(
            "SELECT line, mailbox, refusal, cells FROM row WHERE refusal IS NOT NULL ORDER BY place"
        )
        for line, mailbox, why, cells in rows:
            yield Refusal(line, mailbox, why, json.loads(cells))

    def events(self) -> dict[str, int]:
        """How many letters each is the last one of."""
        rows = self._db.execute(
            "SELECT event, count(*) FROM row WHERE id IS NOT NULL AND event IS NOT NULL GROUP BY event"
        )
        return {event: int(number) for event, number in rows}

    def with_event(self, event: str, most: int) -> list[str]:
        """Ids of letters that it is the last one of."""
        return [str(id_) for (id_,) in self._db.execute("SELECT id FROM row WHERE event = ? LIMIT ?", (event, most))]

    def unheard(self) -> Iterator[tuple[int, str]]:
        """Lines and mailboxes of accepted letters of which nothing was told."""
        yield from self._db.execute(
            "SELECT line, mailbox FROM row WHERE id IS NOT NULL AND event IS NULL ORDER BY place"
        )

    def close(self) -> None:
        self._db.close()
