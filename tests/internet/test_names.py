"""No question is asked twice while its answer holds, whatever the answer is and however many ask at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import dns.rcode
import dns.rrset
import pytest

from postroom.internet.answer import Answer, Silence
from postroom.internet.names import Names
from postroom.internet.nameservers import Nameservers
from postroom.internet.resolver import DnsResolver
from postroom.ports import MxFound, NoAnswer, NoDomain
from tests.doubles.nameserver import NameServer, Question
from tests.servers.unbound import Unbound, Zone

MANY = 32


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_thousand_letters_to_one_domain_cost_a_query_for_each_name_and_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if absent := Unbound.missing():
        pytest.skip(absent)
    records = "@ 300 MX 10 mx\nmx 300 A 192.0.2.1\nimplicit 300 A 192.0.2.2\n"
    domains = ["busy.example", "implicit.busy.example", "nowhere.busy.example"]
    with Unbound(tmp_path, [Zone(origin="busy.example", records=records, negative=300)]) as unbound:
        clock = Clock()
        resolver = DnsResolver([unbound.place], clock=clock)
        together = Barrier(MANY)

        def letters(_: int) -> None:
            together.wait()
            for number in range(MANY):
                found = resolver.exchangers(domains[number % 3])
                if isinstance(found, MxFound):
                    resolver.addresses(found.exchangers[0].host.upper())

        with ThreadPoolExecutor(MANY) as threads:
            list(threads.map(letters, range(MANY)))
        asked = unbound.asked()
        clock.now += 299
        resolver.exchangers("busy.example")
        assert unbound.asked() == asked
        clock.now += 1
        resolver.exchangers("busy.example")
        assert unbound.asked()["busy.example", "MX"] == 2
    with capsys.disabled():
        print(f"\n{MANY * MANY} letters of {MANY} threads to 3 domains: {asked.total()} DNS queries")
    names = ["busy.example", "mx.busy.example", "implicit.busy.example", "nowhere.busy.example"]
    kinds = [("MX",), ("A", "AAAA"), ("MX", "A", "AAAA"), ("MX",)]
    assert asked == {(name, kind): 1 for name, each in zip(names, kinds, strict=True) for kind in each}


def test_what_a_zone_says_anew_is_seen_once_the_old_has_run_out(tmp_path: Path) -> None:
    if absent := Unbound.missing():
        pytest.skip(absent)
    with Unbound(tmp_path, [Zone(origin="moving.example", records='@ 300 TXT "old"')]) as unbound:
        clock = Clock()
        resolver = DnsResolver([unbound.place], clock=clock)
        assert resolver.texts("moving.example") == ("old",)
        unbound.replace(Zone(origin="moving.example", records='@ 300 TXT "new"'))
        clock.now += 299
        assert resolver.texts("moving.example") == ("old",)
        clock.now += 1
        assert resolver.texts("moving.example") == ("new",)


def test_of_those_that_ask_at_the_same_moment_one_asks_and_the_others_wait() -> None:
    begun, answered = Event(), Event()
    asked: list[str] = []

    def ask(name: str, _: str) -> Answer:
        asked.append(name)
        if name == "slow":
            begun.set()
            assert answered.wait(5)
        return Answer(name=name, seconds=60)

    names = Names(ask, Clock())
    with ThreadPoolExecutor(MANY) as threads:
        waiting = [threads.submit(names, "slow", "MX") for _ in range(MANY)]
        assert begun.wait(5)
        names("quick", "MX")  # nobody who asks something else is held up
        answered.set()
        answers = {id(each.result()) for each in waiting}
    assert len(answers) == 1
    assert asked == ["slow", "quick"]


def test_a_surprise_is_told_to_all_who_wait_and_forgotten() -> None:
    fails = [True, False]

    def ask(name: str, _: str) -> Answer:
        if fails.pop(0):
            raise RuntimeError("out of memory")
        return Answer(name=name, seconds=60)

    names = Names(ask, Clock())
    with pytest.raises(RuntimeError):
        names("example.net", "MX")
    assert names("example.net", "MX") == Answer(name="example.net", seconds=60)


@pytest.mark.parametrize(
    ("said", "held"),
    [(0, 5), (4, 5), (60, 60), (3600, 3600), (86400, 3600), (2**31 - 1, 3600), (2**31, 5), (2**32 - 1, 5)],
)
def test_a_time_to_live_is_believed_within_limits(said: int, held: float) -> None:
    def says(question: Question) -> list[bytes]:
        response = question.answer("10 mx.example.net.", ttl=1).to_wire()
        at = response.index(b"\0\0\0\1", len(question.message.to_wire()))
        return [question.framed(response[:at] + said.to_bytes(4) + response[at + 4 :])]

    with NameServer(says) as server:
        answer = Nameservers([server.place]).ask("example.net", "MX")
    assert isinstance(answer, Answer)
    assert len(answer.records) == 1
    assert answer.seconds == held


@pytest.mark.parametrize(("minimum", "ttl", "held"), [(60, 3600, 60), (3600, 30, 30), (3600, 3600, 300), (0, 0, 5)])
@pytest.mark.parametrize("code", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])
def test_what_is_not_there_is_remembered_as_its_zone_says(
    code: dns.rcode.Rcode, minimum: int, ttl: int, held: float
) -> None:
    def says(question: Question) -> list[bytes]:
        response = question.answer(code=code)
        soa = f"ns.example. hostmaster.example. 1 2 3 4 {minimum}"
        response.authority.append(dns.rrset.from_text("example.", ttl, "IN", "SOA", soa))
        return [question.framed(response.to_wire())]

    with NameServer(says) as server:
        clock = Clock()
        resolver = DnsResolver([server.place], clock=clock)
        for wait in (0, held - 0.1):
            clock.now += wait
            assert isinstance(resolver.exchangers("nowhere.example"), NoDomain)
        assert server.asked()["nowhere.example.", "MX"] == 1
        clock.now += 0.1
        resolver.exchangers("nowhere.example")
        assert server.asked()["nowhere.example.", "MX"] == 2


def test_a_failure_is_remembered_for_seconds() -> None:
    with NameServer(lambda q: [q.framed(q.answer(code=dns.rcode.SERVFAIL).to_wire())]) as server:
        clock = Clock()
        resolver = DnsResolver([server.place], clock=clock)
        for wait in (0, 4.9):
            clock.now += wait
            assert isinstance(resolver.exchangers("example.net"), NoAnswer)
        assert server.asked() == {("example.net.", "MX"): 1}
        clock.now += 0.1
        resolver.exchangers("example.net")
        assert server.asked() == {("example.net.", "MX"): 2}


def test_a_stranger_with_many_names_does_not_fill_the_memory() -> None:
    asked: list[str] = []

    def ask(name: str, _: str) -> Answer | Silence:
        asked.append(name)
        return Answer(name=name, seconds=60, octets=1000) if name != "silent" else Silence("nobody answers")

    names = Names(ask, Clock(), most=10_100)
    for number in range(100):
        names(f"host{number}", "A")
    asked.clear()
    for number in (99, 90, 89):
        names(f"host{number}", "A")
    assert asked == ["host89"]  # the oldest go first, and ten of them there is room for
    for _ in range(2):
        names("silent", "A")
    assert asked == ["host89", "silent"]


def test_names_without_an_answer_worth_the_name_fill_it_neither() -> None:
    with NameServer.of({}) as server:
        names = Names(Nameservers([server.place]).ask, Clock(), most=10_000)
        for number in range(1000):
            names(f"no..{number}", "MX")  # which can't be asked
        assert server.questions == []
    assert len(names) < 100


def test_what_is_larger_than_the_memory_is_answered_all_the_same() -> None:
    names = Names(lambda name, _: Answer(name=name, seconds=60, octets=1000), Clock(), most=999)
    assert [names("large", "TXT").octets for _ in range(2)] == [1000, 1000]
