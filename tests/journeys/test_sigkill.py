"""Twenty SIGKILLs at random times over all processes of `postroom serve`: no accepted letter is lost."""

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest

from tests.journeys.destination import Destination
from tests.journeys.office import Office, eventually
from tests.journeys.processes import processes_of

KILLS = 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of a house in /proc")


class Application:
    """Submits letters all the time, and repeats each under its key until it has its 2xx."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.accepted: set[str] = set()
        self._over = Event()
        self._threads = [Thread(target=self._submit) for _ in range(3)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _submit(self) -> None:
        while not self._over.is_set():
            key = uuid4().hex
            letter = {"from": "a@example.org", "to": f"{key}@example.net", "subject": key, "text": key}
            while True:
                try:
                    status, answer = self.office.request("POST", "/emails", letter, {"Idempotency-Key": key})
                except (OSError, ValueError):
                    status, answer = 0, {}
                except Exception as error:  # http.client's, for an answer that was cut off
                    status, answer = 0, {"error": error}
                if status == 200:
                    self.accepted.add(answer["id"])
                    break
                time.sleep(0.05)
            time.sleep(0.05)


@pytest.mark.timeout(180)
def test_no_accepted_letter_is_lost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("SIGKILL_SEED", random.randrange(10**6)))
    luck = random.Random(seed)
    destination = Destination()
    destination.start()
    office = Office(folder, destination.port)
    office.start()
    application = Application(office)
    application.start()
    killed: Counter[str] = Counter()
    try:
        for _ in range(KILLS):
            time.sleep(luck.uniform(0.1, 0.8))
            victim = luck.choice(list(processes_of(folder)))
            assert office.process is not None
            killed["supervisor" if victim == office.process.pid else "child"] += 1
            os.kill(victim, signal.SIGKILL)
            if victim == office.process.pid:
                office.process.wait()
                office.start()
        office.wait_until_ready()
        application.stop()

        def arrived() -> Counter[str]:
            marker = b"Message-ID: <"
            ids = (letter.content.split(marker, 1)[1].split(b"@", 1)[0].decode() for letter in destination.letters)
            return Counter(ids)

        eventually(lambda: application.accepted <= set(arrived()), 60, lambda: application.accepted - set(arrived()))

        def all_delivered() -> bool:
            try:
                return all(set(office.statuses(id_).values()) == {"delivered"} for id_ in application.accepted)
            except OSError:
                return False  # the last victim may have been a function, and is just coming back

        eventually(all_delivered, 60)
        twice = {id_: times for id_, times in arrived().items() if times > 1}
        for id_ in twice:
            # A second copy is lawful only where a worker died at work, and then it is said.
            outcomes = {attempt["outcome"] for attempt in office.attempts(id_)}
            assert outcomes & {"abandoned", "unknown"}, (id_, outcomes)
            assert office.email(id_)["recipients"][0]["possibly_delivered"]
        with capsys.disabled():
            print(
                f"\n{sum(killed.values())} SIGKILLs (seed {seed}, {killed['supervisor']} on the supervisor): "
                f"{len(application.accepted)} accepted, none lost, {len(twice)} sent twice"
            )
    finally:
        application.stop()
        office.stop()
        destination.stop()
