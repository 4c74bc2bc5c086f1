"""How many sessions concurrent tasks open, each of which carries one letter to the same destination."""

from __future__ import annotations

import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import trustme

from tests.benchmarks.clients import CLIENTS, LETTER
from tests.benchmarks.delay import far_away
from tests.benchmarks.sink import Offer

DELAY = 0.01  # seconds, one way
TASKS = 8  # at once
LETTERS = 200


def report() -> None:
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("sink.example.net").configure_cert(certificate)
    print(f"{TASKS} tasks at once, each with one letter after another for the same sink, {DELAY * 1000:.0f} ms away")
    for what, offer in (("in clear", Offer(chunking=True)), ("under TLS", Offer(chunking=True, tls=certificate))):
        with far_away(offer, DELAY) as place, ThreadPoolExecutor(TASKS) as tasks:
            carry = CLIENTS["postroom"]()
            began = time.perf_counter()
            for each in [tasks.submit(carry, place.port, [LETTER]) for _ in range(LETTERS)]:
                each.result()
            took = time.perf_counter() - began
            sessions = len(place.visits) * 100 / place.taken
        print(f"  {what:<10} {sessions:5.1f} sessions for 100 letters, {LETTERS / took:5.0f} letters/s")


if __name__ == "__main__":
    report()
