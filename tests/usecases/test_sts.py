"""What a domain's MTA-STS policy makes of a letter's destination."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.delivery.attempt import Attempt
from postroom.delivery.routing import Exchanger, Host, Relay, Route, Routes, Target
from postroom.delivery.sts import Mode, Policy
from postroom.delivery.submission import Submission
from postroom.destination import MOST_HOSTS
from postroom.ports import Cursor, MxFound, NoAnswer, NoDomain, NullMx, Unavailable
from postroom.smtp.envelope import Mail
from postroom.smtp.security import Security
from postroom.smtp.verdict import Fate, Verdict
from tests.usecases.office import UseCases

ENFORCED = Policy(Mode.ENFORCE, ("mx.example.net", "*.mx.example.net"), 604_800)


def exchangers(*hosts: str) -> MxFound:
    return MxFound(tuple(Exchanger(number, host) for number, host in enumerate(hosts)))


def delivered(office: UseCases, policy: Policy | None) -> tuple[Submission, Attempt, Target | None]:
    """A letter to example.net, carried once under `policy`."""
    if policy is not None:
        office.policies["example.net"] = policy
    letter = office.submit()
    office.deliver(office.schedule.take()[0])
    (attempt,) = office.submissions.attempts(letter.id, Cursor()).items
    return office.stored(letter), attempt, office.wire.targets[0] if office.wire.targets else None


def test_an_enforced_policy_leaves_the_servers_it_names_with_verified_tls(office: UseCases) -> None:
    office.resolver.answer = exchangers("mx.example.net", "mx.evil.example", "a.mx.example.net", "a.b.mx.example.net")
    letter, attempt, target = delivered(office, ENFORCED)
    assert target is not None
    assert target.hosts == (Host("mx.example.net", 25), Host("a.mx.example.net", 25))
    assert target.security is Security.VERIFY
    assert letter.recipients[0].status == "delivered"
    assert attempt.note == (
        "example.net enforces an MTA-STS policy, which doesn't name mx.evil.example, a.b.mx.example.net"
    )


def test_servers_that_the_policy_does_not_name_take_nobody_elses_place(office: UseCases) -> None:
    """The most that one attempt asks is counted among those that may be asked."""
    strangers = [f"mx{number}.evil.example" for number in range(MOST_HOSTS)]
    office.resolver.answer = exchangers(*strangers, "mx.example.net")
    _, _, target = delivered(office, ENFORCED)
    assert target is not None
    assert target.hosts == (Host("mx.example.net", 25),)


def test_a_domain_whose_policy_names_none_of_its_servers_has_its_letters_wait(office: UseCases) -> None:
    office.resolver.answer = exchangers("mx.evil.example", "example.net")
    letter, attempt, target = delivered(office, ENFORCED)
    assert target is None, "nobody is dialled"
    assert [(each.status, each.cause) for each in letter.recipients] == [("deferred", "sts")]
    assert attempt.note == (
        "example.net enforces an MTA-STS policy, and it names none of its mail servers: mx.evil.example, example.net"
    )
    assert office.schedule.put_[0][1] > office.now, "it is tried again, for the policy may be a new one by then"


def test_a_certificate_that_cannot_be_trusted_is_said_to_be_why(office: UseCases) -> None:
    def untrusted(mail: Mail) -> tuple[Verdict, ...]:
        note = "TLS failed: certificate verify failed"
        return tuple(Verdict(each, Fate.DEFERRED, note=note, cause="tls") for each in mail.recipients)

    office.wire.judge = untrusted
    letter, attempt, _ = delivered(office, ENFORCED)
    assert [(each.status, each.cause) for each in letter.recipients] == [("deferred", "tls")]
    assert attempt.note == "TLS failed: certificate verify failed; example.net enforces an MTA-STS policy"


@pytest.mark.parametrize(
    ("hosts", "note"),
    [
        (("mx.example.net",), "example.net tests an MTA-STS policy"),
        (("mx.evil.example",), "example.net tests an MTA-STS policy, which doesn't name mx.evil.example"),
    ],
)
def test_a_policy_in_testing_changes_nothing_and_is_noted(office: UseCases, hosts: tuple[str, ...], note: str) -> None:
    office.resolver.answer = exchangers(*hosts)
    _, attempt, target = delivered(office, Policy(Mode.TESTING, ENFORCED.mx, 1))
    assert target is not None
    assert [host.name for host in target.hosts] == list(hosts)
    assert target.security is Security.OPPORTUNISTIC
    assert attempt.note == note


@pytest.mark.parametrize("policy", [None, Policy(Mode.NONE, (), 1), Policy(Mode.NONE, ("mx.example.org",), 1)])
def test_no_policy_and_one_of_none_change_nothing(office: UseCases, policy: Policy | None) -> None:
    _, attempt, target = delivered(office, policy)
    assert target is not None
    assert (target.security, target.note, attempt.note) == (Security.OPPORTUNISTIC, None, None)


def test_a_policy_never_asks_for_less_than_the_route(tmp_path: Path) -> None:
    office = UseCases(tmp_path, Routes((Route(name="mx", security=Security.VERIFY),)))
    for mode in Mode:
        office.wire.targets.clear()
        _, _, target = delivered(office, Policy(mode, ENFORCED.mx, 1))
        assert target is not None
        assert target.security is Security.VERIFY
    office.close()


def test_a_relay_has_no_policy_whoever_the_letter_is_for(tmp_path: Path) -> None:
    office = UseCases(tmp_path, Routes((Route(name="relay", relay=Relay("relay.example.org", 587)),)))
    _, _, target = delivered(office, ENFORCED)
    assert target is not None
    assert (target.hosts, target.security) == ((Host("relay.example.org", 587),), Security.OPPORTUNISTIC)
    office.close()


@pytest.mark.parametrize("answer", [NullMx(), NoDomain("no such domain"), NoAnswer("no answer")])
def test_a_domain_without_servers_is_not_asked_for_its_policy(
    office: UseCases, answer: NullMx | NoDomain | NoAnswer
) -> None:
    office.resolver.answer = answer
    office.policies = Unaskable()
    _, attempt, target = delivered(office, None)
    assert target is None
    assert attempt.note


class Unaskable(dict[str, Policy]):
    def get(self, *_: object) -> Policy:
        raise AssertionError("it was asked")


def test_where_the_directory_cannot_be_read_nothing_is_sent_and_nothing_is_lost(office: UseCases) -> None:
    class Down(dict[str, Policy]):
        def get(self, *_: object) -> Policy:
            raise Unavailable("the directory can't be reached")

    letter = office.submit()
    task, _ = office.schedule.take()
    office.policies = Down()
    with pytest.raises(Unavailable):
        office.deliver(task)
    assert not office.wire.targets
    office.policies = {"example.net": ENFORCED}
    office.deliver(task)
    assert office.statuses(letter) == ["delivered"]
