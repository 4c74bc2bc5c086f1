"""How many round trips a letter takes, and a session until its first letter can go, counted by a clock."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial

import trustme

from tests.benchmarks import relays
from tests.benchmarks.clients import CLIENTS, LETTER, Carry
from tests.benchmarks.delay import FarAway, far_away
from tests.benchmarks.sink import Offer
from tests.servers import unpacked

DELAY = 0.05  # seconds, one way
LETTERS = 10  # in a session
PATIENCE = 60  # seconds that a relay may take for them


def report() -> None:
    carriers, missing = _carriers()
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("sink.example.net").configure_cert(certificate)
    offers = (Offer(chunking=True), Offer(), Offer(pipelining=False), Offer(chunking=True, tls=certificate))
    print(f"round trips, by a clock, to a sink that is {DELAY * 1000:.0f} ms away, {LETTERS} letters in a session")
    print("                       set-up   a letter, where the sink offers            with STARTTLS")
    print("                                CHUNKING  PIPELINING  neither  sessions    set-up  a letter")
    with ThreadPoolExecutor(len(offers)) as at_once:
        for name, carry in carriers.items():
            chunks, pipelined, neither, encrypted = at_once.map(carry, offers)
            clear = (chunks, pipelined, neither)
            set_up = sum(place.set_up for place in clear) / len(clear)
            sessions = max(len(place.visits) for place in clear)
            under_tls = all(visit.encrypted for visit in encrypted.visits)
            print(
                f"  {name:<19} {set_up:7.2f} {chunks.per_letter:11.2f} {pipelined.per_letter:11.2f}"
                f" {neither.per_letter:8.2f} {sessions:9}"
                + (f" {encrypted.set_up:9.2f} {encrypted.per_letter:9.2f}" if under_tls else "    it knows no STARTTLS")
            )
    for name, why in missing.items():
        print(f"  {name} is left out: {why}")


def _carriers() -> tuple[Mapping[str, Callable[[Offer], FarAway]], Mapping[str, str]]:
    """Who can carry here, and why the others can't."""
    ours = ("postroom", "postroom-depth-2", "postroom-depth-4")
    carriers = {name: _carrier(CLIENTS[name]) for name in (*ours, "smtplib", "aiosmtplib")}
    if why := unpacked.missing():
        return carriers, dict.fromkeys(("smtp-source", "Exim", "Postfix"), why)
    carriers["smtp-source"] = _carrier(lambda: _by_smtp_source)
    carriers["Exim"] = partial(_relayed, relays.exim)
    if os.geteuid() != 0:
        return carriers, {"Postfix": "its master wants to be root"}
    carriers["Postfix"] = partial(_relayed, relays.postfix)
    return carriers, {}


def _carrier(client: Callable[[], Carry]) -> Callable[[Offer], FarAway]:
    def carry(offer: Offer) -> FarAway:
        with far_away(offer, DELAY) as place:
            client()(place.port, [LETTER] * LETTERS)
            return place

    return carry


def _by_smtp_source(port: int, letters: Sequence[bytes]) -> None:
    options = ("-d", "-m", str(len(letters)), "-l", str(len(letters[0])))
    command = (str(unpacked.SMTP_SOURCE), *options, f"127.0.0.1:{port}")
    subprocess.run(command, env=unpacked.environment(), check=True)


def _relayed(relay: Callable[[int, int], AbstractContextManager[None]], offer: Offer) -> FarAway:
    with far_away(offer, DELAY) as place, relay(place.port, LETTERS):
        end = time.monotonic() + PATIENCE
        while place.taken < LETTERS:
            assert time.monotonic() < end, f"{place.taken} of {LETTERS} letters came"
            time.sleep(DELAY)
        return place


if __name__ == "__main__":
    report()
