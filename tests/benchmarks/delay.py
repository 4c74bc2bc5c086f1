"""A sink that is far away: a proxy on the loopback that holds everything up for a fixed time, each way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from threading import Thread

from tests.benchmarks.sink import Ledger, Offer, Sink, Visit

PIECE = 1 << 18


class FarAway:
    """Where a far sink is reached, and what it saw of those who came with letters."""

    def __init__(self, port: int, delay: float, ledger: Ledger) -> None:
        """`delay` is that of one way, in seconds: a round trip takes two."""
        self.port = port
        self._round_trip = 2 * delay
        self._ledger = ledger

    @property
    def taken(self) -> int:
        return self._ledger.taken

    @property
    def visits(self) -> list[Visit]:
        return [visit for visit in self._ledger.visits if visit.letters]

    @property
    def set_up(self) -> float:
        """Round trips from a session's SYN until its client could say MAIL, the mean of all sessions."""
        # The sink accepts three ways after the SYN, and MAIL takes one way to come.
        trips = [(visit.ready - visit.began) / self._round_trip + 1 for visit in self.visits]
        return sum(trips) / len(trips)

    @property
    def per_letter(self) -> float:
        """Round trips from a session's first MAIL to its last verdict, over its letters; the mean of all letters."""
        # What the sink saw lacks the first way here and the last one back.
        trips = [(visit.ended - visit.ready) / self._round_trip + 1 for visit in self.visits]
        return sum(trips) / self.taken


@contextmanager
def far_away(offer: Offer, delay: float) -> Iterator[FarAway]:
    """A sink `delay` seconds away; its loop has a thread of its own."""
    ledger = Ledger()
    begun: SimpleQueue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = SimpleQueue()

    async def serve() -> None:
        loop, enough = asyncio.get_running_loop(), asyncio.Event()
        sink = await loop.create_server(lambda: Sink(offer, ledger), "127.0.0.1", 0, backlog=1024)
        distance = _Distance(delay, sink.sockets[0].getsockname()[1])
        proxy = await asyncio.start_server(distance.join, "127.0.0.1", 0, backlog=1024)
        begun.put((proxy.sockets[0].getsockname()[1], loop, enough))
        await enough.wait()
        proxy.close()
        if distance.joins:
            await asyncio.wait(distance.joins, timeout=10 * delay)
        sink.close()

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    port, loop, enough = begun.get()
    try:
        yield FarAway(port, delay, ledger)
    finally:
        loop.call_soon_threadsafe(enough.set)
        thread.join()


class _Distance:
    def __init__(self, delay: float, port: int) -> None:
        self._delay = delay
        self._port = port
        self.joins: set[asyncio.Task[None]] = set()

    def join(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Carry one client's connection to the port, and what is said over it both ways."""
        task = asyncio.ensure_future(self._join(near, back))
        self.joins.add(task)
        task.add_done_callback(self.joins.discard)

    async def _join(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        # On the loopback a client is connected at once. Really its SYN takes one way, the answer another, and the
        # server has a connection when the client's own word is there.
        there_at = loop.time() + 3 * self._delay
        out = _Leg(near, self._delay, there_at)
        await asyncio.sleep(there_at - loop.time())
        far, on = await asyncio.open_connection("127.0.0.1", self._port)
        home = _Leg(far, self._delay)
        await asyncio.gather(out.deliver(on), home.deliver(back))
        on.close()
        back.close()


class _Leg:
    """One direction of a connection."""

    def __init__(self, reader: asyncio.StreamReader, delay: float, earliest: float = 0.0) -> None:
        self._reader = reader
        self._delay = delay
        self._earliest = earliest
        self._under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._collecting = asyncio.ensure_future(self._collect())

    async def deliver(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                due, octets = await self._under_way.get()
                await asyncio.sleep(due - loop.time())
                if not octets:
                    writer.write_eof()
                    return
                writer.write(octets)

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        octets = b"-"
        while octets:
            try:
                octets = await self._reader.read(PIECE)
            except OSError:
                octets = b""
            self._under_way.put_nowait((max(loop.time() + self._delay, self._earliest), octets))
