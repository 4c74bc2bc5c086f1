"""The house ends when it is asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

HOUSE = """
from postroom.house.signals import on_stop
from postroom.house.supervisor import Supervisor

supervisor = Supervisor([])
on_stop(supervisor.stop)
print("ready", flush=True)
while not supervisor.stopping:
    supervisor.tend(0.001)
supervisor.end()
print("ended", flush=True)
"""


def test_it_ends_also_where_it_is_asked_again_while_it_hears_the_first_time() -> None:
    # Ctrl-C goes to a whole group of processes, some of which pass it on, so it comes twice within microseconds.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "shared")}
    for _ in range(5):
        house = subprocess.Popen([sys.executable, "-c", HOUSE], env=environment, stdout=subprocess.PIPE, text=True)
        with house:
            assert house.stdout is not None
            assert house.stdout.readline() == "ready\n"
            try:
                for turn in range(2000):
                    house.send_signal(signal.SIGTERM if turn % 2 else signal.SIGINT)
                house.wait(10)
                assert house.stdout.read() == "ended\n"
            finally:
                house.kill()
