"""What it takes to tell an application of what became of letters: 10,000 events to one that takes 50 ms for each.

The letters are put into the store as they are once they were delivered, so nothing but the telling is measured: the
dispatcher, the function `notify`, and the application, in processes of their own, over TLS, durable as in use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from postroom import wiring
from postroom.clouds.clock import now
from postroom.delivery.news import with_news
from postroom.delivery.notice import notices
from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.message.letter import Letter
from postroom.settings import Settings
from tests.benchmarks.processes import cpu_seconds, megabytes
from tests.contracts.samples import submission
from tests.journeys.office import ROOT, Office
from tests.journeys.processes import processes_of

EVENTS = 10_000
SECONDS = 0.05  # that the application takes for each
WANTED = 60.0  # seconds for all of them, at most
PACKED = Letter(
    sender=Mailbox.parse("bob@example.com"), to=(Mailbox.parse("ann@example.org"),), subject="Dinner", text="x" * 4096
).pack()
TYPES = ("email.sent", "email.delivered")


class Application:
    def __init__(self, roots: Path) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.application", str(roots), str(SECONDS)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ
        )
        self.port = self._number()

    def taken(self) -> int:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._number()

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _number(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())


def delivered(webhook: str) -> Submission:
    """A letter that was delivered just now, with its news."""
    made, at = submission(created_at=now()), now()
    (parcel,) = made.parcels
    done = (replace(each, status=Status.DELIVERED, attempts=1, updated_at=at) for each in parcel.recipients)
    settled = replace(parcel, recipients=tuple(done), attempts=1, claim=1, first_attempt_at=at)
    return replace(made, parcels=(with_news(settled, {webhook: TYPES}),))


def report() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        application = Application(folder / "roots.pem")
        office = Office(folder / "data", 9, None, POSTROOM_CACHE="30s", POSTROOM_CA_FILE=str(folder / "roots.pem"))
        with patch.dict("os.environ", office.environment):
            settings = wiring.prepare(Settings.from_environment())
            webhook, _ = wiring.webhooks(settings).create(f"https://127.0.0.1:{application.port}/", TYPES)
            home = wiring.home(settings)
        office.start(output=subprocess.DEVNULL)
        try:
            letters = [delivered(webhook.id) for _ in range(EVENTS // len(TYPES))]
            for start in range(0, len(letters), 500):
                home.submissions.create_many([(each, PACKED) for each in letters[start : start + 500]])
            before = {pid: cpu_seconds(pid) for pid in processes_of(office.folder)}
            app_before = cpu_seconds(application.process.pid)
            began = time.perf_counter()
            told = notices(parcel for each in letters for parcel in each.parcels)
            home.schedule.put_many([(each, now()) for each in told])
            while application.taken() < EVENTS:
                time.sleep(0.1)
            took = time.perf_counter() - began
            cost: defaultdict[str, float] = defaultdict(float)
            memory: defaultdict[str, float] = defaultdict(float)
            for pid, part in processes_of(office.folder).items():
                cost[part] += cpu_seconds(pid) - before.get(pid, 0.0)
                memory[part] = max(memory[part], megabytes(pid, "Rss"))
            spent = cpu_seconds(application.process.pid) - app_before
            print(f"{EVENTS} events, {SECONDS * 1000:.0f} ms each at the application, {os.cpu_count()} cores")
            print(f"  told in         {took:8.1f} s = {took / WANTED:4.2f} of {WANTED:.0f} s")
            print(f"  events          {EVENTS / took:8.0f} /s, {EVENTS * SECONDS / took:4.1f} under way on average")
            print("  CPU an event, and the largest process:")
            for part in ("dispatcher", "notify"):
                print(f"  {part:<11} {cost[part] / EVENTS * 1000:6.2f} ms, {memory[part]:3.0f} MB at most")
            print(f"  application {spent / EVENTS * 1000:6.2f} ms")
        finally:
            office.stop()
            application.stop()


if __name__ == "__main__":
    report()
