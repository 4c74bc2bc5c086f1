"""What a large letter needs of its client's memory, beyond its own octets, where the server reads slowly.

`python -m tests.benchmarks.large_letter CLIENT PORT` carries one, and prints the megabytes beyond by which this process
grew, and the megabytes of Python's own among them, in a second run.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from tests.benchmarks.clients import CLIENTS, LETTER, letter
from tests.benchmarks.sink_process import SinkProcess
from tests.homes.child import child_environment

OCTETS = 25_000_000
LINE = b".It begins with a dot, which is to be doubled after DATA, and ends with a line's end.\r\n"
RATE = 20_000_000  # octets a second that the sink reads

MEGABYTE = 1_000_000


def report() -> None:
    print(
        f"a letter of {OCTETS / MEGABYTE:.0f} MB to a sink that reads {RATE / MEGABYTE:.0f} MB/s: the client's memory"
    )
    print("at its peak beyond the letter's own, in MB; in brackets what is Python's own of it")
    with _certificate() as certificate, ThreadPoolExecutor(2) as two:
        tls = ("--certificate", certificate)
        offers = (("--chunking",), (), ("--chunking", *tls), tls)
        print(f"  {'':<22}" + "".join(f"{name:>16}" for name in ("CHUNKING", "DATA", "CHUNKING, TLS", "DATA, TLS")))
        for client in ("postroom", "postroom-asyncio", "smtplib", "aiosmtplib"):
            cells = two.map(partial(_measured, client), offers)
            print(f"  {client:<22}" + "".join(f"{grown:8.1f} ({own:5.1f})" for grown, own in cells))


def _measured(client: str, options: Sequence[str]) -> tuple[float, float]:
    with SinkProcess("--rate", str(RATE), *options) as sink:
        command = (sys.executable, "-m", "tests.benchmarks.large_letter", client, str(sink.port))
        done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
    grown, own = map(float, done.stdout.split())
    return grown, own


@contextmanager
def _certificate() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        pem = Path(folder) / "sink.pem"
        trustme.CA().issue_cert("sink.example.net").private_key_and_cert_chain_pem.write_to_path(str(pem))
        yield str(pem)


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    carry = CLIENTS[name]()
    large = letter(OCTETS, LINE)
    carry(port, [LETTER])
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _kilobytes("VmRSS")
    carry(port, [large])
    grown = _kilobytes("VmHWM") - before
    tracemalloc.start()
    carry(port, [large])
    _, own = tracemalloc.get_traced_memory()
    print(f"{grown * 1024 / MEGABYTE:.2f} {own / MEGABYTE:.2f}")


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main()
    else:
        report()
