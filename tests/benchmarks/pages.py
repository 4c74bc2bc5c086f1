"""What a page of `GET /emails` takes where little is stored, and where much is: the two take turns, page by page."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles

from postroom.clouds.local.database import Database
from postroom.clouds.local.submissions import LocalSubmissions
from tests.benchmarks.function import SUBMIT, Function, served
from tests.benchmarks.load import BODY
from tests.contracts.samples import NOON, submission
from tests.journeys.office import KEY

FEW, MANY = 1_000, 100_000
ROUNDS = 400
WANTED = 2  # times as long, at most
AT_ONCE = 500  # letters that one write stores

PACKED = BODY.encode()
MILLISECOND = timedelta(milliseconds=1)


class Reader:
    """Asks for pages of one store, whose ids it knows, the oldest first."""

    def __init__(self, function: Function, ids: list[str]) -> None:
        self.ids = ids
        self.luck = random.Random(0)
        self.connection = HTTPConnection("127.0.0.1", function.port)
        self.milliseconds: defaultdict[str, list[float]] = defaultdict(list)

    def look(self) -> None:
        """Each kind of page once."""
        anywhere, oldest = self.luck.choice(self.ids[150:-150]), self.ids[150]
        self._ask("the newest 20", "")
        self._ask("the newest 100", "limit=100")
        self._ask("the next 20 of any letter", f"after={anywhere}")
        self._ask("the 20 before any letter", f"before={anywhere}")
        self._ask("the oldest 100", f"limit=100&after={oldest}")
        self._ask("the 100 before the oldest", f"limit=100&before={oldest}")

    def p95(self, name: str) -> float:
        return quantiles(self.milliseconds[name], n=20)[-1]

    def _ask(self, name: str, query: str) -> None:
        began = time.perf_counter()
        self.connection.request("GET", f"/emails?{query}", headers={"Authorization": f"Bearer {KEY}"})
        answer = self.connection.getresponse()
        page = answer.read()
        self.milliseconds[name].append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, page
        assert len(json.loads(page)["data"]) == (100 if "limit" in query else 20), page


def fill(folder: Path, letters: int) -> list[str]:
    """Store so many, a millisecond apart; their ids, the oldest first."""
    database, ids = Database(folder), list[str]()
    submissions = LocalSubmissions(database)
    while len(ids) < letters:
        new = [submission(created_at=NOON + (len(ids) + number) * MILLISECOND) for number in range(AT_ONCE)]
        submissions.create_many([(each, PACKED) for each in new])
        ids += [each.id for each in new]
    database.close()
    return ids


def report() -> None:
    print(
        f"pages of GET /emails, each asked for {ROUNDS} times by one client: p95, and how many times as long it takes"
    )
    with served(SUBMIT) as few, served(SUBMIT) as many:
        readers = [Reader(few, fill(few.folder, FEW)), Reader(many, fill(many.folder, MANY))]
        for _ in range(ROUNDS):
            for reader in readers:
                reader.look()
        for name in readers[0].milliseconds:
            short, long = (reader.p95(name) for reader in readers)
            usual, slower = (median(reader.milliseconds[name]) for reader in readers)
            print(
                f"  {name:<26} {short:5.2f} ms of {FEW:,} letters   {long:5.2f} ms of {MANY:,}   "
                f"x {long / short:.2f} where {WANTED} may be   median x {slower / usual:.2f}"
            )


if __name__ == "__main__":
    report()
