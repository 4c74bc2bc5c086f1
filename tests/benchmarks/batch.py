"""What a letter of a batch costs: 500 of them in one request, durable on disk with their tasks at the 200.

The function is served as `postroom serve` does it, and takes turns with a bare function in the same run, since machines
like this one differ from minute to minute. `python -m tests.benchmarks.batch PORT KEY DESTINATIONS BATCHES CLIENTS` is
the load by itself: it prints the letters that were taken, and the seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from threading import Thread

from tests.benchmarks.function import SUBMIT, Function, served
from tests.benchmarks.load import BODY
from tests.journeys.office import KEY, ROOT

HERE = Path(__file__).parent
LETTERS = 500  # in a batch
ROUNDS = 5
BATCHES, CLIENTS = 8, 2  # of one turn
HELLOS, CONNECTIONS = 1000, 8
WANTED = 2000  # letters a second


def body(destinations: int) -> bytes:
    """A batch for so many domains, the letters of 4 KB."""
    one = json.loads(BODY)
    return json.dumps([one | {"to": [f"r{n}@d{n % destinations}.example"]} for n in range(LETTERS)]).encode()


def submit(port: int, key: str, batch: bytes, times: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for _ in range(times):
        connection.request("POST", "/emails/batch", batch, headers)
        answer = connection.getresponse()
        taken = answer.read()
        assert answer.status == 200, taken
    connection.close()


def turn(function: Function, *load: str) -> tuple[float, float]:
    """How many a second the load of another process got through, and the milliseconds of CPU that each cost us."""
    before = function.cpu()
    done = subprocess.run([sys.executable, *load], capture_output=True, text=True, check=True, cwd=ROOT)
    count, seconds = map(float, done.stdout.split())
    return count / seconds, (function.cpu() - before) / count * 1000


def report() -> None:
    mode = {"WORKERS": str(os.cpu_count()), "THREADS": "32"}
    print(f"batches of {LETTERS} letters of 4 KB, {CLIENTS} clients at once, as `postroom serve` serves them")
    with served(HERE / "hello.py", mode) as hello, served(SUBMIT, mode) as ours:
        for destinations in (1, 50, LETTERS):
            bare, letters = [], []
            for _ in range(ROUNDS):
                bare.append(turn(hello, str(HERE / "load.py"), str(hello.port), KEY, str(HELLOS), str(CONNECTIONS)))
                told = (str(ours.port), KEY, str(destinations), str(BATCHES), str(CLIENTS))
                letters.append(turn(ours, "-m", "tests.benchmarks.batch", *told))
            rate, cost = (median(each[part] for each in letters) for part in (0, 1))
            bare_rate, bare_cost = (median(each[part] for each in bare) for part in (0, 1))
            print(
                f"  to {destinations:3} domains  {rate:6.0f} letters/s = {rate / WANTED:4.1f} of {WANTED}, "
                f"{rate / bare_rate:4.1f} letters in the time of a hello, "
                f"{cost:5.2f} ms CPU a letter = {cost / bare_cost:4.2f} hellos"
            )


def main() -> None:
    port, destinations, batches, clients = int(sys.argv[1]), *map(int, sys.argv[3:6])
    batch, each = body(destinations), batches // clients
    threads = [Thread(target=submit, args=(port, sys.argv[2], batch, each)) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(LETTERS * each * clients, time.perf_counter() - began)


if __name__ == "__main__":
    main()
