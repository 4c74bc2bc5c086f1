"""A server that misbehaves, in every place and every way: each recipient gets the fate that is promised."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network

import pytest
import trustme
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from postroom.delivery.routing import Host, Target
from postroom.internet.guard import Guard
from postroom.internet.loop import Background
from postroom.internet.reach import Reach
from postroom.internet.resolver import DnsResolver
from postroom.internet.wire import SmtpWire
from postroom.ports import Carried
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Credentials, Security
from postroom.smtp.timeouts import Phase, Timeouts
from postroom.smtp.verdict import Fate, Verdict
from tests.doubles.hostile import ENDS, UNREADABLE, Fault, Hostile, Script, Stage, Transaction
from tests.doubles.outcomes import Case, Mode, cases, in_doubt

SHORT = 0.3  # the timeout of the one phase in which a server falls silent
PATIENT = Timeouts(connect=4, greeting=4, command=4, data=4, final=4, quit=SHORT)
ENOUGH = 3.0  # seconds for any session here: less than a phase that no fault should make us wait for
AT_ONCE = 12  # cases, most of which wait
PHASES = {
    "connect": Phase.CONNECT,
    "banner": Phase.GREETING,
    "data": Phase.DATA,
    "letter": Phase.DATA,
    "bdat": Phase.FINAL,
    "dot": Phase.FINAL,
    "quit": Phase.QUIT,
}
CASES = cases()

# aiosmtplib reads the greeting before anybody can listen in, and forgives what is wrong with it. No letter is judged
# by a greeting, so nothing is lost but strictness.
FORGIVEN = {
    "one flight: banner code_return": "the code in the last line counts",
    "one flight: ehlo early": "what is behind the greeting is passed over, and then missed until the timeout",
}


def _rows(cases: list[Case]) -> list[pytest.ParameterSet]:
    return [pytest.param(case, id=str(case), marks=_known(case)) for case in cases]


def _known(case: Case) -> list[pytest.MarkDecorator]:
    reason = FORGIVEN.get(str(case))
    return [pytest.mark.xfail(strict=True, reason=reason)] if reason else []


@dataclass(frozen=True)
class Played:
    """A session that is over: what we say of it, and what the servers know of it."""

    mails: list[Mail]
    carried: dict[str, Carried]  # by the letter's sender, of which each letter has its own
    pulled: int
    first: Hostile
    second: Hostile | None
    seconds: float

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Of the last letter's recipients."""
        return self.carried[self.mails[-1].sender].verdicts

    @property
    def fates(self) -> tuple[Fate, ...]:
        return tuple(verdict.fate for verdict in self.verdicts)


class Stagehands:
    """What every session here needs and no session changes."""

    def __init__(self, roots: str, tls: ssl.SSLContext, unvouched: ssl.SSLContext) -> None:
        self._roots = roots
        self._tls = tls
        self._unvouched = unvouched
        self._background = Background()

    def play(
        self,
        script: Script,
        mode: Mode,
        *,
        letters: int = 1,
        depth: int = 1,
        octets: int = 100,
        tls: Security | None = None,
        timeouts: Timeouts = PATIENT,
        alone: bool = True,
    ) -> Played:
        mails = [_mail(number, mode, octets) for number in range(letters)]
        pulled = 0

        def pull() -> Iterator[Mail]:
            nonlocal pulled
            for pulled, mail in enumerate(mails, 1):  # noqa: B007  # the caller counts what was pulled
                yield mail

        carried: dict[str, Carried] = {}

        def settled(mail: Mail, each: Carried) -> None:
            assert mail.sender not in carried, "a letter was settled twice"
            carried[mail.sender] = each

        offers = (*mode.offers, *(("STARTTLS", "AUTH PLAIN") if tls else ()))
        guard = Guard([ip_network("127.0.0.0/8")])
        resolver = DnsResolver()
        reach = Reach(helo="client.example.org", timeouts=timeouts, resolver=resolver, guard=guard, ca_file=self._roots)
        with (
            Hostile(script, offers, recipients=2, tls=self._tls, unvouched=self._unvouched) as first,
            Hostile({}, offers, recipients=2, tls=self._tls, host="127.0.0.2", port=first.port) as second,
        ):
            hosts = [first.host] if alone else [first.host, second.host]
            target = Target(
                route="r",
                hosts=tuple(Host(host, first.port) for host in hosts),
                security=tls or Security.OPPORTUNISTIC,
                depth=depth,
                credentials=Credentials("alice", "secret") if tls is Security.VERIFY else None,
            )
            wire = SmtpWire(reach, self._background)
            began = time.monotonic()
            wire.converse(target, pull(), began + 2 * ENOUGH, lambda _: True, settled)
            seconds = time.monotonic() - began
        return Played(mails, carried, pulled, first, None if alone else second, seconds)

    def play_case(self, case: Case, *, alone: bool) -> Played:
        silent = case.fault in (Fault.STALL, Fault.DRIP)
        timeouts = (
            Timeouts(**{**_seconds(PATIENT), PHASES.get(case.place, Phase.COMMAND): SHORT}) if silent else PATIENT
        )
        return self.play(
            case.script,
            case.mode,
            letters=case.letters,
            octets=8_000_000 if case.place == "letter" else 100,
            tls=case.tls,
            timeouts=timeouts,
            alone=alone,
        )


def _seconds(timeouts: Timeouts) -> dict[str, float]:
    return {phase: timeouts.of(phase) for phase in Phase}


def _mail(number: int, mode: Mode, octets: int) -> Mail:
    letter = b"Subject: %d\r\n\r\n.hello\r\n" % number + (b"x" * 78 + b"\r\n") * (octets // 80)
    recipients = (f"bob{number}@example.net", f"carol{number}@example.net")
    return Mail(f"alice{number}@example.org", recipients, letter, marked=mode is Mode.ENVELOPE_FIRST)


@pytest.fixture(scope="module")
def stagehands(tmp_path_factory: pytest.TempPathFactory) -> Stagehands:
    authority = trustme.CA()
    roots = tmp_path_factory.mktemp("roots") / "ca.pem"
    authority.cert_pem.write_to_path(str(roots))
    return Stagehands(str(roots), _certified(authority), _certified(trustme.CA()))


def _certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "127.0.0.2").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def played(stagehands: Stagehands) -> Iterator[dict[tuple[Case, bool], Future[Played]]]:
    """Each case of outcomes.toml, by whether its server is alone. They wait side by side, since most of them wait."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            (case, alone): pool.submit(stagehands.play_case, case, alone=alone)
            for case in CASES
            for alone in (True, False)
            if not alone or case.elsewhere
        }


Plays = dict[tuple[Case, bool], Future[Played]]


@pytest.mark.parametrize("case", _rows(CASES))
def test_a_fault_has_the_outcome_that_is_promised(case: Case, played: Plays) -> None:
    it = played[case, case.elsewhere].result()
    assert it.fates == case.fates
    assert it.verdicts[-1].cause in case.causes
    assert case.place == "connect" or it.first.met >= case.script.keys(), "the session never came to that place"
    _all_is_as_promised(it)


@pytest.mark.parametrize("case", _rows([case for case in CASES if case.elsewhere]))
def test_the_next_address_is_asked_where_nothing_was_said_of_a_letter(case: Case, played: Plays) -> None:
    it = played[case, False].result()
    assert it.fates == (Fate.ACCEPTED, Fate.ACCEPTED)
    assert it.second is not None
    assert it.second.visits == 1
    _all_is_as_promised(it)


@pytest.mark.parametrize("case", _rows([case for case in CASES if not case.elsewhere]))
def test_no_other_address_is_asked_once_a_letter_was_begun(case: Case, played: Plays) -> None:
    it = played[case, False].result()
    assert it.second is not None
    assert it.second.visits == 0


ANYTHING = st.sampled_from(
    [
        *(Fault.REFUSE, Fault.DEFER, Fault.GOODBYE, Fault.LINGERING_GOODBYE, Fault.DROP, Fault.RESET, Fault.GARBAGE),
        *(Fault.CODE_CHANGE, Fault.CODE_RETURN, Fault.EIGHT_BIT, Fault.SPLIT, Fault.STALL, Fault.SURPLUS, Fault.EARLY),
    ]
)
ANYWHERE = st.one_of(
    st.tuples(st.sampled_from([Stage.BANNER, Stage.EHLO, Stage.QUIT]), st.just(0)),
    st.tuples(st.sampled_from([Stage.MAIL, Stage.DATA, Stage.BDAT, Stage.DOT, Stage.RSET]), st.integers(0, 3)),
    st.tuples(st.just(Stage.RCPT), st.integers(0, 7)),
)
HASTY = Timeouts(connect=1, greeting=0.15, command=0.15, data=0.15, final=0.15, quit=0.15)


_SURPLUS_MAIL = {(Stage.MAIL, 0): Fault.SURPLUS}


@example({(Stage.RCPT, 0): Fault.LINGERING_GOODBYE}, Mode.ONE_FLIGHT, 1, 1)  # what follows a goodbye refuses nobody
@example({(Stage.RCPT, 1): Fault.LINGERING_GOODBYE}, Mode.PIPELINED, 1, 1)
@example({**_SURPLUS_MAIL, (Stage.RCPT, 0): Fault.REFUSE}, Mode.PIPELINED, 1, 1)  # else the second gets the first's
@example({**_SURPLUS_MAIL, (Stage.RCPT, 1): Fault.REFUSE}, Mode.PIPELINED, 1, 1)
@example({**_SURPLUS_MAIL, (Stage.RCPT, 0): Fault.REFUSE}, Mode.ONE_FLIGHT, 1, 1)
@example({**_SURPLUS_MAIL, (Stage.RCPT, 1): Fault.REFUSE}, Mode.ONE_FLIGHT, 1, 1)  # else the letter gets the second's
@example({(Stage.DATA, 0): Fault.EARLY}, Mode.ONE_FLIGHT, 1, 1)  # a 354 in answer to a chunk says nothing
@example({(Stage.MAIL, 1): Fault.SURPLUS, (Stage.RCPT, 3): Fault.REFUSE}, Mode.ONE_FLIGHT, 3, 3)  # two in a flight
@settings(max_examples=150, deadline=None)
@given(
    script=st.dictionaries(ANYWHERE, ANYTHING, min_size=1, max_size=5),
    mode=st.sampled_from(Mode),
    letters=st.integers(1, 4),
    depth=st.integers(1, 3),
)
def test_whatever_goes_wrong_each_letter_has_one_true_outcome(
    stagehands: Stagehands, script: Script, mode: Mode, letters: int, depth: int
) -> None:
    assume(not _is_beyond_telling(script, mode, depth))
    it = stagehands.play(script, mode, letters=letters, depth=depth, timeouts=HASTY, alone=False)
    assert it.second is not None
    assert not it.first.transactions or not it.second.visits, "another address was asked once a letter was begun"
    assert it.first.visits <= 2 * letters, "the same server is asked again and again"
    _all_is_as_promised(it)


def _is_beyond_telling(script: Script, mode: Mode, depth: int) -> bool:
    """In one flight, a reply too many in place of the last, which never comes: there are as many as there should be."""
    too_many = any(fault is Fault.SURPLUS and (depth > 1 or stage not in ENDS) for (stage, _), fault in script.items())
    too_few = {Fault.GOODBYE, Fault.LINGERING_GOODBYE, *UNREADABLE} & set(script.values())
    return mode is Mode.ONE_FLIGHT and too_many and bool(too_few)


# What holds in every session, whatever the server does.


def _all_is_as_promised(it: Played) -> None:
    assert it.seconds < ENOUGH, "the session waited for something"
    assert len(it.carried) == it.pulled, "each letter that was pulled has its outcome, and no other"
    servers = [it.first, *([it.second] if it.second else [])]
    for mail in it.mails[: it.pulled]:
        carried = it.carried[mail.sender]
        records = [each for server in servers for each in server.transactions if each.sender == mail.sender]
        assert [verdict.recipient for verdict in carried.verdicts] == list(mail.recipients)
        assert sum(record.kept for record in records) <= 1, "two copies were handed over in one attempt"
        for verdict in carried.verdicts:
            _agree(verdict.fate, verdict.recipient, mail, records)
            assert verdict.fate is Fate.ACCEPTED or verdict.reply or verdict.note or carried.note, "nothing tells why"
        _is_fit_to_be_read(carried)


def _agree(fate: Fate, recipient: str, mail: Mail, records: list[Transaction]) -> None:
    """What we say of a recipient is what the servers' own records have."""
    theirs = [record for record in records if record.kept and recipient in record.recipients]
    for record in theirs:
        assert record.content == mail.octets
    if fate is Fate.ACCEPTED:
        assert any(record.promised for record in theirs), "no server has promised to deliver it"
    elif not in_doubt(fate):
        assert not theirs, "a server has a letter that we say it hasn't"
    if fate is Fate.REFUSED:
        refused = (record.refused_all or recipient in record.refused for record in records)
        assert any(refused), "no server has refused this one for good"


def _is_fit_to_be_read(carried: Carried) -> None:
    for line in carried.transcript:
        assert len(line.text) <= 1024
        assert line.text.isprintable(), "a reply could drive a terminal or break a log"
