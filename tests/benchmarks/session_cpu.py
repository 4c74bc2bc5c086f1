"""What a letter costs whoever carries it, in CPU, beside Postfix's smtp-source in the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from statistics import median

from tests.benchmarks.clients import OCTETS
from tests.benchmarks.sink_process import SinkProcess, smtp_sink
from tests.homes.child import child_environment
from tests.servers import unpacked

ROUNDS = 3
SESSIONS, LETTERS = 20, 50  # in each

BASE = "smtp-source"
CLIENTS = {
    BASE: "smtp-source, in C, one command at a time",
    "session": "postroom's session by itself, uvloop",
    "session-asyncio": "postroom's session by itself, asyncio",
    "postroom": "postroom through converse, uvloop",
    "postroom-depth-4": "the same, four letters in a flight",
    "postroom-asyncio": "postroom through converse, asyncio",
    "smtplib": "smtplib",
    "aiosmtplib": "aiosmtplib, uvloop",
}
SINKS = {"CHUNKING": "--chunking", "PIPELINING": "--pipelining"}

Figures = dict[tuple[str, str], float]
"""Microseconds a letter, by client and sink."""


def report() -> None:
    why = unpacked.missing()
    print(f"CPU, user and system, of the client a letter of {OCTETS} octets, {LETTERS} a session, in µs;")
    print(f"behind it the ratio to smtp-source and smtp-sink; the medians of {ROUNDS} rounds in turn")
    if why:
        print(f"  smtp-source and smtp-sink are left out: {why}")
    if find_spec("uvloop") is None:
        print("  uvloop is not installed: asyncio stands in for it")
    cores = os.sched_getaffinity(0)
    for where, used in (("both on one core", {min(cores)}), ("on all cores, where each has to be woken", cores)):
        os.sched_setaffinity(0, used)
        try:
            _table(where, with_postfix=why is None)
        finally:
            os.sched_setaffinity(0, cores)


def _table(where: str, *, with_postfix: bool) -> None:
    clients = [name for name in CLIENTS if with_postfix or name != BASE]
    rounds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    callers: list[float] = []
    with _sinks(with_postfix=with_postfix) as sinks:
        for _ in range(ROUNDS):
            for client in clients:
                for sink, port in sinks.items():
                    whole, main_thread = _cost(client, port)
                    rounds[client, sink].append(whole)
                    if client == "postroom":
                        callers.append(main_thread)
    figures = {cell: median(each) for cell, each in rounds.items()}
    base = figures.get((BASE, "smtp-sink"))
    print(f"  {where:<42}" + "".join(f"{sink:>16}" for sink in sinks))
    for client in clients:
        cells = (figures[client, sink] for sink in sinks)
        shown = (f"{cell:9.0f}" + (f" ={cell / base:5.2f}" if base else "       ") for cell in cells)
        print(f"    {CLIENTS[client]:<40}" + "".join(shown))
    print(f"    of what converse costs, {median(callers):.0f} µs are the caller's own thread's")


@contextmanager
def _sinks(*, with_postfix: bool) -> Iterator[dict[str, int]]:
    """The port of each sink, by what it offers or by its name."""
    with ExitStack() as stack:
        ports = {name: stack.enter_context(SinkProcess(option)).port for name, option in SINKS.items()}
        if with_postfix:
            ports["smtp-sink"] = stack.enter_context(smtp_sink())
        yield ports


def _cost(client: str, port: int) -> tuple[float, float]:
    """Microseconds a letter, of all and of the main thread."""
    if client == BASE:
        cost = _cost_of_smtp_source(port)
        return cost, cost
    command = (sys.executable, "-m", "tests.benchmarks.clients", client, *map(str, (port, SESSIONS, LETTERS)))
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
    whole, main_thread = map(float, done.stdout.split())
    return whole, main_thread


def _cost_of_smtp_source(port: int) -> float:
    """It knows sessions of one letter and one of all letters: the cost of what is between is reckoned."""
    letters = SESSIONS * LETTERS
    begun = _seconds_of_smtp_source(port, "-d", "-m", "1")
    kept = _seconds_of_smtp_source(port, "-d", "-m", str(letters + 1)) - begun
    anew = _seconds_of_smtp_source(port, "-m", str(letters + 1)) - begun
    return (anew + (LETTERS - 1) * kept) / LETTERS / letters * 1e6


def _seconds_of_smtp_source(port: int, *options: str) -> float:
    command = (str(unpacked.SMTP_SOURCE), *options, "-l", str(OCTETS), f"127.0.0.1:{port}")
    process = subprocess.Popen(command, env=unpacked.environment())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    report()
