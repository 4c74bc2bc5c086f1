"""Letters of concurrent tasks to one destination share sessions while these are open."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace
from threading import Event

import pytest

from postroom.delivery.routing import Approach, Host, Proxy, Target
from postroom.internet import pool
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Credentials, Mechanism, Security
from postroom.smtp.timeouts import Timeouts
from postroom.smtp.verdict import Fate
from tests.internet.carrying import carry, lines, mail, wire_with
from tests.internet.peer import Guest, answered, introduced, polite, serving

EXTENSIONS = ("PIPELINING", "CHUNKING")


class Register:
    """The sessions of a server, and what was said in each."""

    def __init__(self) -> None:
        self.sessions: list[list[bytes]] = []

    def serve(self, guest: Guest) -> None:
        self.sessions.append(guest.said)
        polite(guest, *EXTENSIONS)


@contextmanager
def somebody_under_way(wire: SmtpWire) -> Iterator[None]:
    """A conversation with another server, which lasts until the end of the block."""
    over, under_way = Event(), Event()

    def dawdle(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest)
        guest.hear()
        under_way.set()
        over.wait(10)
        guest.say("250 ok")
        polite_rest(guest)

    with serving(dawdle) as port, ThreadPoolExecutor(1) as threads:
        other = threads.submit(carry, wire, port, iter([mail()]))
        assert under_way.wait(5)
        try:
            yield
        finally:
            over.set()
            other.result(5)


def polite_rest(guest: Guest) -> None:
    answered(guest, "250 ok", "354 go on")
    guest.say("250 taken")
    guest.hear()
    guest.say("221 bye")


@pytest.fixture(scope="module")
def wire() -> SmtpWire:
    """It waits for those that dawdle."""
    return wire_with(Timeouts(command=10, final=10))


@pytest.fixture
def slow(wire: SmtpWire, monkeypatch: pytest.MonkeyPatch) -> SmtpWire:
    """A wire whose sessions rest for as long as a test may want them to."""
    monkeypatch.setattr(pool, "LONGEST_REST", 30.0)
    return wire


def test_a_task_takes_the_session_that_another_has_left(slow: SmtpWire) -> None:
    register = Register()
    with serving(register.serve) as port, somebody_under_way(slow):
        carried = [carry(slow, port, iter([mail(f"r{number}@example.net")])) for number in range(5)]
        assert len(register.sessions) == 1
        assert b"QUIT\r\n" not in register.sessions[0]
    assert register.sessions[0][-1] == b"QUIT\r\n", "the last one to leave says goodbye for those that rest"
    for number, (each,) in enumerate(carried):
        said = lines(each)
        assert each.verdicts[0].fate is Fate.ACCEPTED
        assert said[1] == "C: EHLO client.example.org"
        assert [line for line in said if "RCPT" in line] == [f"C: RCPT TO:<r{number}@example.net>"]


def test_a_lone_task_says_goodbye_itself(wire: SmtpWire) -> None:
    register = Register()
    with serving(register.serve) as port:
        for _ in range(2):
            (carried,) = carry(wire, port, iter([mail()]))
            assert lines(carried)[-1] == "C: QUIT"
    assert len(register.sessions) == 2


def test_a_session_that_nobody_wants_is_ended_soon(wire: SmtpWire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LONGEST_REST", 0.1)
    left = Event()

    def serve(guest: Guest) -> None:
        polite(guest, *EXTENSIONS)
        left.set()

    with serving(serve) as port, somebody_under_way(wire):
        carry(wire, port, iter([mail()]))
        assert left.wait(3), "the session still rests"


def test_many_tasks_at_once_need_no_more_sessions_than_there_are_tasks(slow: SmtpWire) -> None:
    register = Register()

    def one(number: int) -> list[Carried]:
        return carry(slow, port, iter([mail(f"r{number}@example.net")]))

    with serving(register.serve) as port, somebody_under_way(slow), ThreadPoolExecutor(4) as threads:
        carried = [each for (each,) in threads.map(one, range(60))]
    assert len(register.sessions) <= 4
    assert {each.verdicts[0].fate for each in carried} == {Fate.ACCEPTED}
    asked = [line for said in register.sessions for line in said if line.startswith(b"RCPT")]
    assert sorted(asked) == sorted(f"RCPT TO:<r{number}@example.net>\r\n".encode() for number in range(60))


@pytest.mark.parametrize("ending", ["goodbye", "hangs up"])
def test_a_server_that_leaves_a_resting_session_costs_no_letter_an_attempt(slow: SmtpWire, ending: str) -> None:
    gone = Event()
    sessions: list[Guest] = []

    def serve(guest: Guest) -> None:
        sessions.append(guest)
        if len(sessions) > 1:
            return polite(guest, *EXTENSIONS)
        guest.say("220 hi")
        introduced(guest, *EXTENSIONS)
        while not (line := guest.hear()).startswith(b"BDAT"):
            pass
        guest.hear_octets(int(line.split()[1]))
        guest.say("250 ok", "250 ok", "250 taken")
        if ending == "goodbye":
            guest.say("421 4.4.2 you were silent for too long")
        guest.sock.close()
        gone.set()
        return None

    with serving(serve) as port, somebody_under_way(slow):
        (first,) = carry(slow, port, iter([mail()]))
        assert gone.wait(3)
        (second,) = carry(slow, port, iter([mail()]))
    assert [each.verdicts[0].fate for each in (first, second)] == [Fate.ACCEPTED, Fate.ACCEPTED]
    assert len(sessions) == 2


def test_a_letter_that_asks_for_more_gets_a_session_of_its_own(slow: SmtpWire) -> None:
    """What went in clear text can't be shared with what must not, whatever the order."""
    register = Register()
    letters = [mail(), Mail("a@example.org", ("b@example.net",), b"\r\n", security=Security.REQUIRE), mail()]
    with serving(register.serve) as port:
        carried = carry(slow, port, iter(letters))
    fates = {id(letter): None for letter in letters}
    assert len(carried) == len(fates)
    assert sorted(each.verdicts[0].fate for each in carried) == ["accepted", "accepted", "deferred"]
    assert sum(any(line.startswith(b"BDAT") for line in said) for said in register.sessions) == 2


TARGET = Target(route="r", hosts=(Host("127.0.0.1", 25),), security=Security.OPPORTUNISTIC)
ALICE = Credentials("alice", "secret")
OTHER_WAYS: dict[str, Target] = {
    "hosts": replace(TARGET, hosts=(Host("127.0.0.1", 2525),)),
    "security": replace(TARGET, security=Security.REQUIRE),
    "implicit_tls": replace(TARGET, implicit_tls=True),
    "credentials": replace(TARGET, credentials=ALICE),
    "mechanism": replace(TARGET, credentials=replace(ALICE, mechanism=Mechanism.LOGIN)),
    "helo": replace(TARGET, approach=Approach(helo="out-2.example.org")),
    "source": replace(TARGET, approach=Approach(source="127.0.0.2")),
    "proxy": replace(TARGET, approach=Approach(proxy=Proxy("proxy.example.org", 1080))),
    "proxy's user": replace(TARGET, approach=Approach(proxy=Proxy("proxy.example.org", 1080, ALICE))),
    "letters": replace(TARGET, approach=Approach(letters=5)),
    "timeouts": replace(TARGET, approach=Approach(timeouts=(("final", 5.0),))),
    "vouched_for": replace(TARGET, vouched_for="example.net"),
}


def test_a_session_with_a_backup_is_not_shared_with_whom_it_is_the_first_choice_of_another(slow: SmtpWire) -> None:
    """The same two servers, and each domain prefers the other one."""
    first, second = Register(), Register()
    with serving(first.serve) as one, serving(second.serve) as other, somebody_under_way(slow):
        for preferences in ((1, 2), (2, 1), (1, 2)):
            hosts = [Host("localhost", port, number) for port, number in zip((one, other), preferences, strict=True)]
            told(slow, replace(TARGET, hosts=tuple(sorted(hosts, key=lambda host: host.preference))))
    assert [len(register.sessions) for register in (first, second)] == [1, 1]
    assert [sum(line.startswith(b"BDAT") for line in each.sessions[0]) for each in (first, second)] == [2, 1]


def test_what_changes_how_one_gets_there_is_part_of_the_way() -> None:
    ways = [pool.way(target, Security.OPPORTUNISTIC) for target in (TARGET, *OTHER_WAYS.values())]
    assert len(set(ways)) == len(ways)
    # Whoever adds a field decides about it: these alone change nothing of how one gets there.
    no_part = {"route", "depth", "fallback", "note", "acted"}
    assert {each.name for each in (*fields(Target), *fields(Approach))} - no_part - {"approach"} <= set(OTHER_WAYS)
    same = replace(TARGET, route="s", depth=3, fallback=TARGET, note="so it is", acted=True)
    assert pool.way(same, Security.OPPORTUNISTIC) == ways[0]


def told(wire: SmtpWire, target: Target) -> list[Carried]:
    carried: list[Carried] = []
    wire.converse(target, iter([mail()]), time.monotonic() + 10, _never_marked, lambda _, each: carried.append(each))
    return carried


@pytest.mark.parametrize("helo", [None, "client.example.org"])
def test_routes_share_sessions_only_where_they_get_there_alike(slow: SmtpWire, helo: str | None) -> None:
    register = Register()
    with serving(register.serve) as port, somebody_under_way(slow):
        for route, approach in (("one", Approach()), ("two", Approach(helo=helo))):
            target = replace(TARGET, route=route, hosts=(Host("localhost", port),), approach=approach)
            settled = told(slow, target)
            assert [each.route for each in settled] == [route], "it is told by whose letter it was"
    assert len(register.sessions) == (1 if helo is None else 2)


def test_a_server_that_takes_three_letters_a_session_gets_them_in_several(wire: SmtpWire) -> None:
    sessions: list[int] = []

    def serve(guest: Guest) -> None:
        sessions.append(0)
        mine = len(sessions) - 1
        guest.say("220 hi")
        introduced(guest, *EXTENSIONS)
        while True:
            line = guest.hear()
            verb = line[:4]
            if verb == b"QUIT":
                return guest.say("221 bye")
            if verb == b"BDAT":
                guest.hear_octets(int(line.split()[1]))
            if sessions[mine] >= 3:
                guest.say("421 4.7.0 too many messages in this connection" if verb == b"MAIL" else "503 no")
                continue
            sessions[mine] += verb == b"BDAT"
            guest.say("250 ok")

    with serving(serve) as port:
        carried = carry(wire, port, (mail(f"r{number}@example.net") for number in range(10)))
        assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 10
        assert sum(sessions) == 10
        assert sessions[0] == 3
        before = len(sessions)
        carried = carry(wire, port, (mail(f"r{number}@example.net") for number in range(6)))
        assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 6
        assert len(sessions) - before == 2, "its limit is remembered"
        assert not any("421" in line for each in carried for line in lines(each))


def test_with_depth_two_letters_share_a_flight_after_the_first(wire: SmtpWire) -> None:
    register = Register()
    carried: list[Carried] = []
    with serving(register.serve) as port:
        target = Target(route="r", hosts=(Host("localhost", port),), security=Security.OPPORTUNISTIC, depth=2)
        mails = (mail(f"r{number}@example.net") for number in range(5))
        wire.converse(target, mails, time.monotonic() + 10, _never_marked, lambda _, each: carried.append(each))
    assert [each.verdicts[0].fate for each in carried] == [Fate.ACCEPTED] * 5
    assert [each.round_trips for each in carried] == [1] * 5
    rsets = [line for line in register.sessions[0] if line == b"RSET\r\n"]
    assert len(rsets) == 4
    assert lines(carried[-1])[-1] == "C: QUIT"
    for number, each in enumerate(carried):
        said = lines(each)
        assert [line for line in said if "RCPT" in line] == [f"C: RCPT TO:<r{number}@example.net>"]
        assert len([line for line in said if line.startswith("S: ")]) == (2 if number == 0 else 3) + 5, said


def test_no_letter_has_another_ones_recipients_in_its_transcript(wire: SmtpWire) -> None:
    """The second letter sees a session end, and the server has no other for it; the third goes another way."""
    sessions: list[Guest] = []

    def serve(guest: Guest) -> None:
        sessions.append(guest)
        if len(sessions) == 2:
            return guest.say("421 4.3.2 not now")
        guest.say("220 hi")
        introduced(guest, *EXTENSIONS)
        while not guest.hear().startswith(b"BDAT"):
            pass
        guest.hear_octets(22)
        guest.say("250 ok", "250 ok", "250 taken")
        while not guest.hear().startswith(b"BDAT"):
            pass
        return guest.say("421 4.3.2 going down")

    stricter = replace(mail("carl@example.net"), security=Security.REQUIRE)
    with serving(serve) as port:
        carried = carry(wire, port, iter([mail("ann@example.net"), mail("bob@example.net"), stricter]))
    asked = {
        each.verdicts[0].recipient: [line for line in lines(each) if "RCPT" in line or "MAIL" in line]
        for each in carried
    }
    assert len(asked["ann@example.net"]) == 2
    assert [line for line in asked["bob@example.net"] if "RCPT" in line] == ["C: RCPT TO:<bob@example.net>"]
    assert asked["carl@example.net"] == []


def test_nothing_is_left_behind_once_the_last_task_has_ended(slow: SmtpWire) -> None:
    register = Register()
    with serving(register.serve) as port, somebody_under_way(slow):
        for _ in range(3):
            carry(slow, port, iter([mail()]))
    assert slow._pool is not None
    assert not slow._pool[1]._resting
    assert not slow._pool[1].deadlines._waiters


def test_a_caller_that_fails_in_the_middle_leaves_nobody_waiting(wire: SmtpWire) -> None:
    said = Event()

    def serve(guest: Guest) -> None:
        guest.say("220 hi")
        introduced(guest, *EXTENSIONS)
        guest.hear()
        said.set()
        with contextlib.suppress(ConnectionError):
            while guest.hear():
                pass

    def mails() -> Iterator[Mail]:
        yield mail()
        yield mail()
        assert said.wait(5)
        raise RuntimeError("the store is gone")

    with serving(serve) as port, pytest.raises(RuntimeError, match="the store is gone"):
        carry(wire, port, mails())
    eventually_idle(wire)


def eventually_idle(wire: SmtpWire) -> None:
    end = time.monotonic() + 5
    while wire._pool is None or wire._pool[1].deadlines._waiters:
        assert time.monotonic() < end, "somebody is still waited for"
        time.sleep(0.01)


_never_marked: Callable[[Mail], bool] = lambda _: pytest.fail("nothing is to be marked")  # noqa: E731  a stub's stub
