"""Prints what a letter costs on this machine: `python -m tests.benchmarks [house|bulk|submitting|session|events]`.

`house` is one `postroom serve` with its real processes, durable as in production, into a sink on the loopback;
`submitting` are letters on their way in, one by one and in batches, and the pages of their lists; `session` is the SMTP
session alone: its round trips, CPU and memory, beside other clients, those among them that `tests/servers/fetch` has
fetched; `events` is what webhooks are told of letters. Without a word it is all of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks import batch, bulk, events, large_letter, pages, rooms, round_trips, session_cpu, sharing
from tests.benchmarks import submitting as one_by_one
from tests.benchmarks.function import SUBMIT, served
from tests.benchmarks.processes import cpu_seconds, megabytes
from tests.benchmarks.sink_process import SinkProcess
from tests.journeys.office import KEY, Office
from tests.journeys.processes import processes_of

HERE = Path(__file__).parent
BULK = 10_000  # customers


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[tuple[Office, SinkProcess]]:
    sink = SinkProcess()
    office = Office(folder, sink.port, None, POSTROOM_CACHE="30s", **settings)
    office.start(output=subprocess.DEVNULL)
    try:
        yield office, sink
    finally:
        office.stop()
        sink.stop()


def submit(port: int, letters: int, connections: int = 8) -> tuple[int, float]:
    command = [sys.executable, str(HERE / "load.py"), str(port), KEY, str(letters), str(connections)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, seconds = done.stdout.split()
    return int(count), float(seconds)


def drain(sink: SinkProcess, letters: int) -> None:
    while sink.taken() < letters:
        time.sleep(0.02)


def alone(source: Path, letters: int) -> tuple[float, float]:
    """Requests a second and milliseconds of CPU a request of one function, with nobody else at work."""
    with served(source, {"WORKERS": str(os.cpu_count()), "THREADS": "32"}) as function:
        submit(function.port, 200)
        before = function.cpu()
        sent, seconds = submit(function.port, letters)
        return sent / seconds, (function.cpu() - before) / sent * 1000


def end_to_end(letters: int, hello: float) -> None:
    with TemporaryDirectory() as name, running(Path(name)) as (office, sink):
        warmed, _ = submit(office.port, 200)
        drain(sink, warmed)
        time.sleep(0.5)
        before = {pid: cpu_seconds(pid) for pid in processes_of(Path(name))}
        began = time.perf_counter()
        sent, submitting = submit(office.port, letters)
        drain(sink, warmed + sent)
        took = time.perf_counter() - began
        time.sleep(0.5)
        parts = processes_of(Path(name))
        cost: defaultdict[str, float] = defaultdict(float)
        memory: defaultdict[str, float] = defaultdict(float)
        for pid, part in parts.items():
            cost[part] += cpu_seconds(pid) - before.get(pid, 0.0)
            memory[part] = max(memory[part], megabytes(pid, "Rss"))
        print(f"end to end, {sent} letters of 4 KB, durable, {os.cpu_count()} cores")
        print(f"  submitted       {sent / submitting:8.0f} /s, while they are being delivered")
        print(f"  delivered       {sent / took:8.0f} /s, from the first POST to the last 250")
        print("  CPU a letter, and the largest process:")
        for part in ("submit", "dispatcher", "deliver"):
            spent = cost[part] / sent * 1000
            print(f"  {part:<11} {spent:6.2f} ms = {spent / hello:4.1f} hellos, {memory[part]:3.0f} MB at most")
        spent = sum(cost.values()) / sent * 1000
        print(f"  together    {spent:6.2f} ms = {spent / hello:4.1f} hellos")


def house(letters: int) -> None:
    rooms.report()
    hello_rate, hello_cost = alone(HERE / "hello.py", letters)
    submit_rate, submit_cost = alone(SUBMIT, letters)
    print("the functions by themselves, under functions-framework")
    print(f"  a bare hello     {hello_rate:6.0f} /s  {hello_cost:.2f} ms CPU")
    print(f"  submit, durable  {submit_rate:6.0f} /s  {submit_cost:.2f} ms CPU = {submit_cost / hello_cost:.1f} hellos")
    end_to_end(letters, hello_cost)


def submitting() -> None:
    one_by_one.report()
    batch.report()
    pages.report()


def session() -> None:
    round_trips.report()
    session_cpu.report()
    large_letter.report()
    sharing.report()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    options.add_argument("part", nargs="?", choices=("house", "bulk", "submitting", "session", "events"))
    options.add_argument("--letters", type=int, default=2000, help="that the house is given")
    given = options.parse_args()
    if given.part in (None, "house"):
        house(given.letters)
    if given.part in (None, "bulk"):
        with TemporaryDirectory() as name, running(Path(name)) as (office, sink):
            bulk.report(office, sink, BULK)
    if given.part in (None, "submitting"):
        submitting()
    if given.part in (None, "session"):
        session()
    if given.part in (None, "events"):
        events.report()


if __name__ == "__main__":
    main()
