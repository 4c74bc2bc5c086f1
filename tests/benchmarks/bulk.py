"""What a bulk run costs: `postroom send --csv` for 10,000 customers of one template, until the last is delivered."""

from __future__ import annotations

import time

from tests.benchmarks.processes import cpu_seconds, megabytes
from tests.benchmarks.sink_process import SinkProcess
from tests.journeys.bulk import Run
from tests.journeys.office import Office
from tests.journeys.processes import processes_of


def report(office: Office, sink: SinkProcess, letters: int) -> None:
    run = Run(office, office.folder / "customers.csv", letters)
    run.prepare()
    parts = processes_of(office.folder)
    before = {pid: cpu_seconds(pid) for pid in parts}
    began = time.perf_counter()
    with run.started() as command:
        accepted = 0.0
        while command.poll() is None:
            if not accepted and run.accepted_last():
                accepted = time.perf_counter() - began
            if sink.taken() >= letters:
                break
            command_cpu, command_size = cpu_seconds(command.pid), megabytes(command.pid, "Rss")
            time.sleep(0.1)
        took = time.perf_counter() - began
        command.communicate()
        told = time.perf_counter() - began
    print(f"bulk, {letters} letters of one template by `postroom send --csv`, durable")
    print(f"  accepted   {letters / accepted:6.0f} /s, while they are being delivered")
    print(f"  delivered  {letters / took:6.0f} /s, to the last 250 after {took:.1f} s")
    print(f"  told       {told - took:6.1f} s later, in the summary")
    print(f"  CPU a letter: the command {command_cpu / letters * 1000:.2f} ms and {command_size:.0f} MB", end="")
    for part in ("submit", "dispatcher", "deliver"):
        spent = sum(cpu_seconds(pid) - before[pid] for pid, played in parts.items() if played == part)
        print(f", {part} {spent / letters * 1000:.2f} ms", end="")
    print()
