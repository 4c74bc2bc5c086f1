"""MTA-STS policies, fetched from a real policy host and kept in a real directory."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Event

import pytest
import trustme

from postroom.clouds.local.database import Database
from postroom.clouds.local.directory import LocalDirectory
from postroom.delivery.sts import LARGEST, Mode, Policy
from postroom.internet.http import Https
from postroom.internet.policies import StsPolicies
from tests.internet.peer import Guest, Serve, serving
from tests.internet.web import answering, certificate, client, page

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = 604_800
HOST = "mta-sts.example.net"


def written(mode: str = "enforce", mx: str = "mx.example.net", max_age: int = WEEK) -> bytes:
    return page(f"version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n".encode())


def read(mode: str = "enforce", mx: str = "mx.example.net", max_age: int = WEEK) -> Policy:
    return Policy(Mode(mode), (mx,), max_age)


@dataclass
class World:
    """A domain as its own people and attackers make it, and the time."""

    directory: LocalDirectory
    https: Https
    context: ssl.SSLContext
    now: datetime = NOON
    texts: tuple[str, ...] | None = ("v=STSv1; id=1;",)  # None: DNS doesn't answer
    answer: bytes | Callable[[Guest], None] = field(default_factory=written)
    fetches: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    meeting: Barrier | None = None  # where all who ask DNS wait for each other
    port: int = 0

    def process(self) -> StsPolicies:
        """One that has just started: it remembers nothing of its own."""
        return StsPolicies(
            directory=self.directory,
            texts=self._texts,
            https=self.https,
            clock=lambda: self.now,
            monotonic=lambda: (self.now - NOON).total_seconds(),
            port=self.port,
            troubled=self.troubles.append,
        )

    def _texts(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if self.meeting is not None:
            self.meeting.wait(5)
        if self.texts is None:
            raise LookupError("DNS didn't answer")
        return self.texts

    @contextmanager
    def hosted(self, serve: Serve | None = None) -> Iterator[None]:
        """A policy host that says `answer` as it then is, or does what it does."""

        def say(guest: Guest) -> None:
            if callable(self.answer):
                self.answer(guest)
            else:
                guest.sock.sendall(self.answer)

        with serving(serve or answering(say, self.context, self.fetches)) as self.port:
            yield


@pytest.fixture(scope="module")
def context(authority: trustme.CA) -> ssl.SSLContext:
    return certificate(authority, HOST)


@pytest.fixture
def world(tmp_path: Path, roots: str, context: ssl.SSLContext) -> Iterator[World]:
    database = Database(tmp_path)
    database.prepare()
    yield World(LocalDirectory(database), client(roots), context)
    database.close()


def test_a_policy_is_fetched_where_it_is_announced_and_kept(world: World) -> None:
    with world.hosted():
        assert world.process()("example.net") == read()
        assert world.process()("example.net") == read(), "another process has it from the directory"
    assert world.asked == ["_mta-sts.example.net"] * 2
    (request,) = world.fetches
    assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.net:")


@pytest.mark.parametrize(
    "texts", [(), ("v=spf1 -all",), ("v=STSv1; id=1", "v=STSv1; id=2"), ("v=STSv1",), ("v=STSv2; id=1",)]
)
def test_a_domain_that_announces_nothing_or_two_things_is_not_asked(world: World, texts: tuple[str, ...]) -> None:
    world.texts = texts
    with world.hosted():
        assert world.process()("example.net") is None
    assert not world.fetches


def test_a_new_id_fetches_the_policy_anew(world: World) -> None:
    with world.hosted():
        process = world.process()
        process("example.net")
        world.texts, world.answer = ("v=STSv1; id=2",), written("testing")
        assert process("example.net") == read("testing")
        assert process("example.net") == read("testing")
    assert len(world.fetches) == 2


def test_a_policy_is_fetched_again_long_before_it_ends(world: World) -> None:
    with world.hosted():
        process = world.process()
        process("example.net")
        world.now += 23 * HOUR
        process("example.net")
        assert len(world.fetches) == 1
        world.now += 2 * HOUR
        world.answer = written(mx="other.example.net")
        assert process("example.net") == read(mx="other.example.net")
    assert len(world.fetches) == 2


def test_a_life_of_no_time_does_not_fetch_for_every_letter(world: World) -> None:
    world.answer = written(max_age=0)
    with world.hosted():
        process = world.process()
        for _ in range(3):
            assert process("example.net") == read(max_age=0)
        assert len(world.fetches) == 1
        world.now += HOUR
        world.texts = ()
        assert process("example.net") is None


# No downgrade.


@pytest.mark.parametrize("hidden", ["no record", "two records", "no answer", "no host", "another certificate"])
def test_a_policy_that_is_known_is_kept_while_its_domain_is_hidden(
    world: World, authority: trustme.CA, hidden: str
) -> None:
    with world.hosted():
        world.process()("example.net")
    world.now += 6 * 24 * HOUR
    world.texts = {"no record": (), "two records": ("v=STSv1; id=1", "v=STSv1; id=2"), "no answer": None}.get(
        hidden, ("v=STSv1; id=attack",)
    )
    false = answering(written("none"), certificate(authority, "elsewhere.example.net"))
    with world.hosted(false if hidden == "another certificate" else lambda _: None):
        assert world.process()("example.net") == read()
        world.now += 2 * 24 * HOUR
        assert world.process()("example.net") is None, "a week has gone, and with it the policy"


def test_a_policy_that_says_none_takes_the_earlier_one_back(world: World) -> None:
    with world.hosted():
        world.process()("example.net")
        world.texts, world.answer = ("v=STSv1; id=2",), written("none")
        assert world.process()("example.net") == read("none")


# Hosts that fail in every way.


def redirected(guest: Guest) -> None:
    guest.sock.sendall(page(b"", f"Location: https://{HOST}/elsewhere", status="301 Moved"))


def leaving(guest: Guest) -> None:
    guest.reset()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (redirected, "status 301"),
        (page(b"", status="404 Not Found"), "status 404"),
        (written().replace(b"200 OK", b"203 Transformed"), "status 203"),
        (page(b"x" * (LARGEST + 1)), "more than 65536 octets"),
        (written().replace(b"text/plain", b"text/html"), "text/html"),
        (written().replace(b"Content-Type: text/plain\r\n", b""), "of no media type"),
        (page(b"\x00\xff garbage"), "UTF-8"),
        (page(b"<html>"), "not a field"),
        (written().replace(b"STSv1", b"STSv2"), "version"),
        (written(mx="mx..example.net"), "not a host"),
        (leaving, "no answer that can be used"),
    ],
)
def test_a_policy_that_cannot_be_had_is_none_and_is_not_asked_for_again_at_once(
    world: World, answer: bytes | Callable[[Guest], None], why: str
) -> None:
    world.answer = answer
    with world.hosted():
        process = world.process()
        assert process("example.net") is None
        assert process("example.net") is None
        assert len(world.fetches) == 1
        (trouble,) = world.troubles
        assert trouble.startswith("example.net announces an MTA-STS policy that can't be had: ")
        assert why in trouble
        world.answer = written()
        world.now += timedelta(minutes=6)
        assert process("example.net") == read()


@pytest.mark.parametrize("flaw", ["another name", "expired", "a stranger's", "clear text"])
def test_a_policy_is_taken_from_nobody_but_its_own_host(world: World, authority: trustme.CA, flaw: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    servers: dict[str, Callable[[], Serve]] = {
        "another name": lambda: answering(written(), certificate(authority, "example.net", "mta-sts.example.org")),
        "expired": lambda: answering(written(), certificate(authority, HOST, until=yesterday)),
        "a stranger's": lambda: answering(written(), certificate(trustme.CA(), HOST)),
        "clear text": lambda: lambda guest: guest.sock.sendall(written()),
    }
    with world.hosted(servers[flaw]()):
        assert world.process()("example.net") is None
    assert len(world.troubles) == 1


def test_a_wildcard_certificate_will_do(world: World, authority: trustme.CA) -> None:
    with world.hosted(answering(written(), certificate(authority, "*.example.net"))):
        assert world.process()("example.net") == read()


def test_a_slow_host_holds_a_letter_up_for_a_bounded_time(
    world: World, monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext
) -> None:
    monkeypatch.setattr("postroom.internet.policies.LONGEST", 0.3)
    over = Event()

    def drip(guest: Guest) -> None:
        while not over.wait(0.02):
            guest.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    with world.hosted(answering(drip, context)):
        assert world.process()("example.net") is None
        over.set()
    assert "within 0.3 s" in world.troubles[0]


# Many who ask at once.


def test_one_fetch_is_under_way_however_many_ask(world: World) -> None:
    world.meeting = Barrier(8)
    with world.hosted(), ThreadPoolExecutor(8) as threads:
        process = world.process()
        asking = [threads.submit(process, "example.net") for _ in range(8)]
        assert [each.result(5) for each in asking] == [read()] * 8
    assert len(world.fetches) == 1


def test_whoever_knows_a_policy_does_not_wait_for_its_renewal(world: World) -> None:
    under_way, over = Event(), Event()

    def slowly(guest: Guest) -> None:
        under_way.set()
        over.wait(5)
        guest.sock.sendall(written("testing"))

    with world.hosted(), ThreadPoolExecutor(1) as threads:
        process = world.process()
        process("example.net")
        world.texts, world.answer = ("v=STSv1; id=2",), slowly
        renewal = threads.submit(process, "example.net")
        assert under_way.wait(5)
        assert process("example.net") == read()
        over.set()
        assert renewal.result(5) == read("testing")
    assert len(world.fetches) == 2


def test_a_directory_that_fails_fails_the_asking_and_not_the_next_one(world: World) -> None:
    class Broken(Exception):
        pass

    class Failing:
        left = 1

        def __call__(self, *_: object) -> None:
            if self.left:
                self.left -= 1
                raise Broken

    with world.hosted(), pytest.MonkeyPatch.context() as patch:
        process = world.process()
        patch.setattr(world.directory, "put", Failing())
        with pytest.raises(Broken):
            process("example.net")
        assert process("example.net") == read()
