"""Name servers that lie, break off, drip or flood: nothing crashes, nothing hangs, nothing undeserved is concluded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise, repeat

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.delivery.routing import Exchanger
from postroom.house.supervisor import free_port
from postroom.internet.answer import Answer, Silence
from postroom.internet.nameservers import MOST_RECORDS, Nameservers
from postroom.internet.resolver import DnsResolver
from postroom.ports import MxFound, NoAnswer, NoDomain, NullMx
from tests.doubles.nameserver import NameServer, Question, Says

ENOUGH = 5.0  # seconds for whatever ends by itself
HONEST = "10 mx.example.net."


def honest(question: Question, *records: str) -> bytes:
    return question.framed(question.answer(*(records or [HONEST])).to_wire())


def asked_by(says: Says) -> tuple[MxFound | NullMx | NoDomain | NoAnswer, NameServer]:
    """What becomes of a question to such a server, and the server when it is over."""
    with NameServer(says) as server:
        began = time.monotonic()
        found = DnsResolver([server.place], lifetime=ENOUGH).exchangers("example.net")
        assert time.monotonic() - began < ENOUGH
    return found, server


def forged_id(question: Question) -> bytes:
    response = question.answer("1 evil.example.com.")
    response.id ^= 1
    return response.to_wire()


def forged_name(question: Question) -> bytes:
    other = dns.message.make_query("example.com", "MX", id=question.message.id)
    return Question(other, tcp=False).answer("1 evil.example.com.").to_wire()


def forged_kind(question: Question) -> bytes:
    other = dns.message.make_query("example.net", "A", id=question.message.id)
    return Question(other, tcp=False).answer("192.0.2.66").to_wire()


def truncated(question: Question) -> bytes:
    response = question.answer()
    response.flags |= dns.flags.TC
    return response.to_wire()


def echo(question: Question) -> bytes:
    return question.message.to_wire()


def cut(question: Question) -> bytes:
    return honest(question)[:-3]


def empty(_: Question) -> bytes:
    return b""


def noise(_: Question) -> bytes:
    return bytes(range(256))


@pytest.mark.parametrize(
    "first", [forged_id, forged_name, forged_kind, truncated, echo, cut, empty, noise], ids=lambda each: each.__name__
)
def test_what_does_not_fit_by_udp_is_asked_for_again_by_tcp(first: Callable[[Question], bytes]) -> None:
    found, server = asked_by(lambda question: [honest(question) if question.tcp else first(question)])
    assert found == MxFound((Exchanger(10, "mx.example.net"),))
    assert [question.tcp for question in server.questions] == [False, True]


def test_a_large_answer_comes_by_tcp_and_is_cut_to_what_is_best() -> None:
    records = [f"{number} mx{number}.example.net." for number in range(2000, 0, -1)]
    found, _ = asked_by(lambda question: [honest(question, *records) if question.tcp else truncated(question)])
    assert isinstance(found, MxFound)
    assert [each.preference for each in found.exchangers] == list(range(1, MOST_RECORDS + 1))


def test_thousands_of_addresses_are_no_more_than_some() -> None:
    records = [f"192.0.{number // 256}.{number % 256}" for number in range(3000)]
    with NameServer(lambda q: [honest(q, *records) if q.tcp and q.kind == "A" else truncated_or_none(q)]) as server:
        assert len(DnsResolver([server.place]).addresses("mx.example.net")) == MOST_RECORDS


def truncated_or_none(question: Question) -> bytes:
    return truncated(question) if question.kind == "A" else question.framed(question.answer().to_wire())


def loop(question: Question) -> bytes:
    response = question.answer()
    response.answer = [
        dns.rrset.from_text("example.net.", 60, "IN", "CNAME", "example.com."),
        dns.rrset.from_text("example.com.", 60, "IN", "CNAME", "example.net."),
    ]
    return question.framed(response.to_wire())


def endless_chain(question: Question) -> bytes:
    response = question.answer()
    names = ["example.net.", *(f"a{number}.example.net." for number in range(1000))]
    response.answer = [dns.rrset.from_text(name, 60, "IN", "CNAME", target) for name, target in pairwise(names)]
    return question.framed(response.to_wire(max_size=65535))


def referral(question: Question) -> bytes:
    response = question.answer()
    response.authority.append(dns.rrset.from_text("net.", 60, "IN", "NS", "ns.example."))
    return question.framed(response.to_wire())


def records_of_no_name(question: Question) -> bytes:
    response = question.answer(HONEST, code=dns.rcode.NXDOMAIN)
    return question.framed(response.to_wire())


def odd_hosts(question: Question) -> bytes:
    return honest(
        question, r"1 evil\000.example.", r"2 two\032words.example.", r"3 a\.b.example.", r"4 \195\188.example."
    )


@pytest.mark.parametrize(
    "lie",
    [loop, endless_chain, referral, records_of_no_name, odd_hosts, noise, cut, empty],
    ids=lambda each: each.__name__,
)
def test_nonsense_concludes_nothing(lie: Callable[[Question], bytes]) -> None:
    found, _ = asked_by(lambda question: [lie(question)])
    assert isinstance(found, NoAnswer)


@pytest.mark.parametrize("code", ["FORMERR", "SERVFAIL", "NOTIMP", "REFUSED", "YXRRSET", "NOTAUTH", "BADVERS"])
def test_no_code_but_nxdomain_says_that_there_is_no_domain(code: str) -> None:
    rcode = dns.rcode.from_text(code)
    found, _ = asked_by(lambda question: [question.framed(question.answer(code=rcode).to_wire())])
    assert isinstance(found, NoAnswer)
    assert code in found.why


def test_a_host_with_odd_octets_is_left_out_and_the_others_stay() -> None:
    found, _ = asked_by(lambda question: [honest(question, r"1 evil\010.example.", "5 Under_Score.Example.")])
    assert found == MxFound((Exchanger(5, "under_score.example"),))


def test_records_of_another_name_or_kind_are_none() -> None:
    def says(question: Question) -> Iterator[bytes]:
        response = question.answer()
        response.answer.append(dns.rrset.from_text("example.com.", 60, "IN", question.kind, *_of(question.kind)))
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", "hello"))
        yield question.framed(response.to_wire())

    found, _ = asked_by(says)
    assert isinstance(found, NoDomain)


def _of(kind: str) -> list[str]:
    return {"MX": [HONEST], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}[kind]


def test_a_flood_of_forgeries_ends_with_the_first() -> None:
    def says(question: Question) -> Iterator[bytes]:
        yield from [honest(question)] if question.tcp else repeat(forged_id(question))

    found, server = asked_by(says)
    assert isinstance(found, MxFound)
    assert len(server.questions) == 2


def test_an_answer_that_drips_ends_with_the_questions_lifetime() -> None:
    def says(question: Question) -> Iterator[bytes]:
        if not question.tcp:
            yield truncated(question)
            return
        for octet in honest(question):
            yield bytes([octet])
            if server.wait(0.5):
                return

    with NameServer(says) as server:
        began = time.monotonic()
        found = DnsResolver([server.place], lifetime=0.5).exchangers("example.net")
        assert time.monotonic() - began < ENOUGH
    assert found == NoAnswer(
        "DNS didn't say where mail for example.net goes: {}:{} didn't answer in time".format(*server.place)
    )


def test_a_server_that_breaks_off_or_is_not_there_is_passed_over_at_once() -> None:
    closed = "127.0.0.1", free_port("127.0.0.1")

    def breaks_off(question: Question) -> Iterator[bytes]:
        yield b"\0\x40half" if question.tcp else truncated(question)

    with NameServer(breaks_off) as broken, NameServer.of({("example.net.", "MX"): [HONEST]}) as server:
        began = time.monotonic()
        found = DnsResolver([closed, broken.place, server.place]).exchangers("example.net")
        assert isinstance(found, MxFound)
        failed = DnsResolver([closed, broken.place]).exchangers("example.net")
        assert time.monotonic() - began < 2  # seconds that a server that says nothing is given
    assert failed == NoAnswer(
        f"DNS didn't say where mail for example.net goes: 127.0.0.1:{closed[1]} can't be asked: Connection refused; "
        f"127.0.0.1:{broken.place[1]} answered what makes no sense (EOFError)"
    )


def test_the_next_server_is_asked_where_one_fails() -> None:
    fails = NameServer(lambda q: [q.framed(q.answer(code=dns.rcode.SERVFAIL).to_wire())])
    with fails, NameServer.of({("example.net.", "MX"): [HONEST]}) as server:
        found = DnsResolver([fails.place, server.place]).exchangers("example.net")
    assert found == MxFound((Exchanger(10, "mx.example.net"),))


@pytest.mark.parametrize(
    "name", ["", "a..b", ".example.net", "x" * 64, ".".join(["x" * 60] * 5), "a\\", "ä\u2028.example"]
)
def test_a_name_that_cannot_be_said_is_not_there(name: str) -> None:
    with NameServer.of({}) as server:
        found = Nameservers([server.place], lifetime=0.5).ask(name, "MX")
        assert isinstance(found, Answer)
        assert not found.exists


def test_dnssec_is_asked_for_where_the_server_is_trusted_and_believed_nowhere_else() -> None:
    def says(question: Question) -> Iterator[bytes]:
        response = question.answer(HONEST)
        response.flags |= dns.flags.AD
        yield question.framed(response.to_wire())

    with NameServer(says) as server:
        for trusted in (False, True):
            answer = Nameservers([server.place], trusted=trusted).ask("example.net", "MX")
            assert isinstance(answer, Answer)
            assert answer.secure is trusted
    for trusted, question in zip((False, True), server.questions, strict=True):
        assert bool(question.message.flags & dns.flags.AD) is trusted
        assert bool(question.message.ednsflags & dns.flags.DO) is trusted


def test_dnssec_vouches_for_a_host_where_it_does_so_for_both_families() -> None:
    def says(question: Question) -> Iterator[bytes]:
        response = question.answer(*_of(question.kind))
        if question.kind == "A" or question.name == "both.example.":
            response.flags |= dns.flags.AD
        yield question.framed(response.to_wire())

    with NameServer(says) as server:
        resolver = DnsResolver([server.place], trust_ad=True)
        assert resolver.located("both.example").secure
        assert not resolver.located("one.example").secure


@pytest.fixture(scope="module")
def parrot() -> Iterator[tuple[NameServer, list[bytes]]]:
    """A server that says what the list holds, by UDP and by TCP."""
    said = [b""]

    def says(question: Question) -> list[bytes]:
        octets = question.message.to_wire()[:2] + said[0]
        return [question.framed(octets[:65535])]

    with NameServer(says) as server:
        yield server, said


HEADERS = st.tuples(st.integers(0x80, 0xFF), st.integers(0, 0xFF)).map(bytes)
COUNTS = st.lists(st.sampled_from([0, 1, 2, 255]), min_size=4, max_size=4).map(
    lambda numbers: b"".join(number.to_bytes(2) for number in numbers)
)
QUESTION = dns.message.make_query("example.net", "MX").to_wire()[12:]
PIECES = st.sampled_from(
    [QUESTION, b"\xc0\x0c", b"\0\x0f\0\1", b"\0\5\0\1", b"\0\0\0\x3c", b"\0\4\0\x0a\xc0\x0c", b"\xc0\xff"]
)


@given(header=HEADERS, counts=COUNTS, body=st.lists(PIECES | st.binary(max_size=20), max_size=12), asked=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_octets_raise_or_hang(
    parrot: tuple[NameServer, list[bytes]], header: bytes, counts: bytes, body: list[bytes], asked: bool
) -> None:
    server, said = parrot
    said[0] = header + counts + (QUESTION if asked else b"") + b"".join(body)
    began = time.monotonic()
    answer = Nameservers([server.place], lifetime=0.2).ask("example.net", "MX")
    assert isinstance(answer, Answer | Silence)
    assert time.monotonic() - began < ENOUGH


def test_a_system_that_names_no_resolver_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", _no_configuration)
    found = DnsResolver().exchangers("example.net")
    assert isinstance(found, NoAnswer)
    assert "POSTROOM_RESOLVERS" in found.why


def _no_configuration(*_: object) -> None:
    raise dns.resolver.NoResolverConfiguration
