"""What `POST /emails` costs, beside a bare function that checks the same JSON by marshmallow and keeps nothing.

Both are served by functions-framework, each in every mode, and take turns within each round, since machines differ from
minute to minute: what counts is how they compare. The letter of `load.py` is durable on disk with its task at each 200.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.function import BARE, SUBMIT, Function, served
from tests.journeys.office import KEY, ROOT

ROUNDS = 7
SECONDS = 1.5  # of a turn
CONNECTIONS = 16
CORES = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Mode:
    """How functions-framework serves a function, and what its clients do with their connections."""

    name: str
    wanted: float  # of the bare function's requests a second
    served: Mapping[str, str]
    manner: str = "kept"


MODES = (
    Mode(f"1 x {4 * CORES} threads, its default", 0.6, {}),
    Mode(f"1 x {4 * CORES} threads, a connection each", 0.6, {}, "new"),
    Mode(f"{CORES} x 32 threads, postroom serve", 0.6, {"WORKERS": str(CORES), "THREADS": "32"}),
    # gunicorn keeps no connection in this mode.
    Mode("2 x 1 thread, a connection each", 0.4, {"WORKERS": "2", "THREADS": "1"}, "new"),
)


@dataclass(slots=True)
class Turns:
    """What one function did in all its turns: requests a second, and milliseconds of CPU for each."""

    function: Function
    manner: str
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def take(self) -> None:
        before = self.function.cpu()
        answered, seconds = post(self.function.port, SECONDS, self.manner)
        self.rates.append(answered / seconds)
        self.costs.append((self.function.cpu() - before) / answered * 1000)


def post(port: int, seconds: float, manner: str) -> tuple[int, float]:
    """How many letters were taken, and in how many seconds."""
    load = (str(port), KEY, str(seconds), str(CONNECTIONS), manner)
    command = [sys.executable, "-m", "tests.benchmarks.posting", *load]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    answered, took = done.stdout.split()
    return int(answered), float(took)


def compare(mode: Mode) -> tuple[Turns, Turns]:
    with served(BARE, mode.served) as bare, served(SUBMIT, mode.served) as submit:
        both = Turns(bare, mode.manner), Turns(submit, mode.manner)
        for function in (bare, submit):
            post(function.port, 0.5, mode.manner)
        for _ in range(ROUNDS):
            for each in both:
                each.take()
        return both


def report() -> None:
    print(
        f"POST /emails, 4 KB, durable, {CONNECTIONS} clients at once, beside a bare function that checks the same JSON:"
    )
    print("requests a second and CPU of both, ours as a part of its requests a second and as a multiple of its CPU")
    for mode in MODES:
        bare, submit = compare(mode)
        ratios = sorted(ours / its for ours, its in zip(submit.rates, bare.rates, strict=True))
        print(
            f"  {mode.name:<36} {median(bare.rates):5.0f} /s {median(bare.costs):5.2f} ms    "
            f"{median(submit.rates):5.0f} /s {median(submit.costs):5.2f} ms    "
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) where {mode.wanted} is wanted    "
            f"x {median(submit.costs) / median(bare.costs):.2f}"
        )


if __name__ == "__main__":
    report()
