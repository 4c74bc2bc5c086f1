"""Prints what a destination that stalls costs the others: `python -m tests.benchmarks.starvation [LETTERS [RATE]]`.

One `postroom serve` with its real processes. A fifth of the letters goes to a destination of its own, which takes them
as the others do in every first run, and in every second takes connections and never says a word.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from threading import Thread

from postroom.clouds.local.database import Database
from postroom.clouds.local.submissions import LocalSubmissions
from postroom.delivery.record import SubmissionId
from postroom.delivery.status import Status
from tests.benchmarks.sink_process import SinkProcess
from tests.journeys.office import KEY, Office
from tests.journeys.trouble import says

EACH = 5  # one letter in so many goes to the destination in question
CONNECTIONS = 8
PATIENCE = 150.0  # seconds after the last letter
ROUTES = """
[[route]]
name = "questioned"
match = "questioned.example"
via = "smtp://127.0.0.1:{questioned}"

[[route]]
name = "others"
via = "smtp://127.0.0.1:{others}"
"""


@contextmanager
def house(folder: Path, *, stalled: bool) -> Iterator[Office]:
    with SinkProcess() as questioned, SinkProcess() as others, says(b"") as silent:
        routes = ROUTES.format(questioned=silent if stalled else questioned.port, others=others.port)
        office = Office(
            folder,
            others.port,
            None,
            POSTROOM_CACHE="30s",
            POSTROOM_ROUTES=routes,
            POSTROOM_RETRY_SCHEDULE="1m,5m",
            POSTROOM_LOG="errors",
        )
        office.start(output=subprocess.DEVNULL)
        try:
            yield office
        finally:
            office.stop()


def submit(office: Office, letters: int, rate: float) -> list[SubmissionId]:
    """The ids of those that went to the others."""
    numbers, ids, began = count(), list[SubmissionId](), time.monotonic()

    def post() -> None:
        connection = HTTPConnection(office.host, office.port, timeout=60)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        while (number := next(numbers)) < letters:
            to = "bob@questioned.example" if number % EACH == 0 else f"bob@{number % 50}.example.net"
            body = {"from": "Acme <hello@example.org>", "to": to, "subject": "hello", "text": "On its way.\n" * 100}
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            connection.request("POST", "/emails", json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
            if number % EACH:
                ids.append(SubmissionId(answer["id"]))
        connection.close()

    threads = [Thread(target=post) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids


def waits(folder: Path, ids: list[SubmissionId]) -> list[float]:
    """The milliseconds from acceptance to delivery of each; those that never were count as waiting still."""
    database = Database(folder)
    submissions, left, found = LocalSubmissions(database), set(ids), list[float]()
    end = time.monotonic() + PATIENCE
    while left and time.monotonic() < end:
        for id_ in list(left):
            submission = submissions.get(id_)
            assert submission is not None
            (recipient,) = submission.recipients
            if recipient.status is Status.DELIVERED:
                left.discard(id_)
                found.append((recipient.updated_at - submission.created_at).total_seconds() * 1000)
        time.sleep(0.5)
    database.close()
    return found + [PATIENCE * 1000] * len(left)


def run(letters: int, rate: float, *, stalled: bool) -> tuple[float, float]:
    """The median and the 95th percentile of the others' waits."""
    with TemporaryDirectory() as name, house(Path(name), stalled=stalled) as office:
        waits(office.folder, submit(office, 100, rate))  # everything is warm after those
        found = waits(office.folder, submit(office, letters, rate))
    return median(found), quantiles(found, n=20)[-1]


def main() -> None:
    letters = int(sys.argv[1]) if len(sys.argv) > 1 else 800
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 40.0
    print(f"{letters} letters at {rate:g} a second, one in {EACH} to the destination in question; the others' waits:")
    nineties: dict[bool, list[float]] = {False: [], True: []}
    for number in range(6):
        stalled = number % 2 == 1
        middle, p95 = run(letters, rate, stalled=stalled)
        nineties[stalled].append(p95)
        print(f"  it {'stalls' if stalled else 'works '}   median {middle:8.1f} ms   p95 {p95:8.1f} ms", flush=True)
    rise = median(nineties[True]) / median(nineties[False]) - 1
    print(f"  the p95, the median of three runs each: {rise:+.0%}")


if __name__ == "__main__":
    main()
