"""Recipients of the test domain act out an outcome, and POSTROOM_ONLY_TO keeps letters from everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from postroom.batch import AcceptBatch, BatchRequest
from postroom.delivery.actors import Actors
from postroom.delivery.only_to import OnlyTo
from postroom.delivery.routes_file import parse_routes
from postroom.delivery.routing import MX_FOR_EVERYTHING, NoRoute
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.ports import Cursor
from tests.usecases.office import UseCases
from tests.usecases.test_suppressed import fates, listed, run

ACTORS = Actors("postroom.test")
ROLES = ("delivered", "bounced", "complained", "deferred", "suppressed")

EVERYTHING_BY_A_RELAY = """
[[route]]
name = "relay"
via = "smtp://relay.example.org"
class = "relayed"

[[route]]
name = "other"
class = "others"
"""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[UseCases]:
    """An office with a test domain, that would go to a relay by the routes table."""
    made = UseCases(tmp_path, replace(parse_routes(EVERYTHING_BY_A_RELAY, {}), actors=ACTORS))
    yield made
    made.close()


def unheard(domain: str) -> None:
    raise AssertionError(f"DNS was asked for {domain}")


def test_each_acts_out_its_part_and_nobody_is_dialled(office: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office.resolver, "exchangers", unheard)
    letter = office.submit(
        *(f"{role}@postroom.test" for role in ROLES), "Bounced+7@Postroom.TEST", "nobody@postroom.test"
    )
    (parcel,) = letter.parcels
    assert (parcel.queue, parcel.destination) == ("relayed", "postroom.test")
    run(office)
    assert fates(office, letter) == [
        ("delivered", None, 1),
        ("bounced", "no_such_mailbox", 1),
        ("complained", None, 1),
        ("deferred", "unavailable", 1),
        ("suppressed", "test_recipient", 0),
        ("bounced", "no_such_mailbox", 1),
        ("bounced", "no_such_mailbox", 1),
    ]
    delivered, bounced, _, deferred, *_ = office.stored(letter).recipients
    assert (delivered.code, delivered.remote_id, delivered.mx) == (250, "acted", "postroom.test")
    assert (bounced.code, bounced.enhanced_code) == (550, "5.1.1")
    assert bounced.response == "550 5.1.1 Acted out: no such mailbox"
    assert (deferred.code, deferred.enhanced_code) == (451, "4.3.0")
    assert office.wire.carried == []


def said(office: UseCases, letter: Submission) -> list[str]:
    (attempt,) = office.submissions.attempts(letter.id, Cursor()).items
    assert attempt.note is not None
    assert attempt.note.startswith("Acted out by postroom")
    assert (attempt.route, attempt.address, attempt.tls, attempt.round_trips) == ("acted", None, None, None)
    return [f"{line.speaker[0]}: {line.text}" for line in attempt.transcript]


def test_an_attempt_has_the_whole_conversation_and_says_that_it_was_acted(office: UseCases) -> None:
    letter = office.submit("delivered@postroom.test", "bounced@postroom.test")
    run(office)
    *before, content, taken, leave = said(office, letter)
    assert before == [
        "s: 220 postroom.test is acted out by postroom: nothing leaves it",
        "c: EHLO me.example",
        "s: 250-postroom.test",
        "s: 250-PIPELINING",
        "s: 250-8BITMIME",
        "s: 250-SMTPUTF8",
        "s: 250-REQUIRETLS",
        "s: 250 ENHANCEDSTATUSCODES",
        "c: MAIL FROM:<alice@example.org>",
        "c: RCPT TO:<delivered@postroom.test>",
        "c: RCPT TO:<bounced@postroom.test>",
        "c: DATA",
        "s: 250 2.1.0 Ok",
        "s: 250 2.1.5 Ok",
        "s: 550 5.1.1 Acted out: no such mailbox",
        "s: 354 End data with <CR><LF>.<CR><LF>",
    ]
    assert content.startswith("c: (")
    assert (taken, leave) == ("s: 250 2.0.0 Ok: queued as acted", "c: QUIT")


def test_where_nobody_is_there_no_letter_is_handed_over(office: UseCases) -> None:
    letter = office.submit("bounced@postroom.test")
    run(office)
    assert said(office, letter)[-2:] == ["s: 554 5.5.1 No valid recipients", "c: QUIT"]


@pytest.mark.parametrize(
    "asked",
    [{"tls": "verify"}, {"tls": "require"}, {"requiretls": True}, {"on_unknown": "hold"}, {"route": "other"}],
    ids=str,
)
def test_whatever_a_letter_asks_for_is_there(office: UseCases, asked: dict[str, object]) -> None:
    letter = office.submit("delivered@postroom.test", "dél@postroom.test", **asked)
    run(office)
    assert office.statuses(letter) == ["delivered", "bounced"]
    assert office.wire.carried == []


def test_a_route_that_is_not_there_is_refused_all_the_same(office: UseCases) -> None:
    with pytest.raises(NoRoute):
        office.submit("delivered@postroom.test", route="acted")


def test_what_is_deferred_is_tried_again_on_the_schedule_until_it_is_too_old(office: UseCases) -> None:
    expires_at = office.now + timedelta(minutes=10)
    letter = office.submit("deferred+mine@postroom.test", expires_at=expires_at)
    for minutes in (1, 5):
        run(office)
        ((_, at),) = office.schedule.put_
        assert at == office.now + timedelta(minutes=minutes)
        office.now = at
    run(office)
    assert fates(office, letter) == [("expired", "unavailable", 3)]
    assert office.outcomes(letter) == ["deferred"] * 3


def test_test_recipients_have_a_letter_to_others_for_themselves(office: UseCases) -> None:
    letter = office.submit("bob@example.net", "delivered@postroom.test", "carl@example.org")
    run(office)
    assert sorted(office.statuses(letter)) == ["delivered"] * 3
    ((relayed,),) = [[mail.recipients for mail in office.wire.carried]]
    assert relayed == ("bob@example.net", "carl@example.org")


def test_a_batch_of_letters_to_them_shares_a_task(office: UseCases) -> None:
    office.suppressions.add(Mailbox.parse("bob@example.net"))
    to = ["delivered@postroom.test", "bob@example.net", "bounced@postroom.test", "suppressed@postroom.test"]
    items = [office.request(each) for each in to]
    stored = AcceptBatch(office.accept)(BatchRequest(items=items, fingerprint="f"))
    assert [(task.destination, len(task.parcels)) for task, _ in office.schedule.put_] == [
        ("postroom.test", 2),
        ("relay.example.org:587", 1),
    ]
    run(office)
    ended = [office.statuses(each) for each in stored if isinstance(each, Submission)]
    assert ended == [["delivered"], ["suppressed"], ["bounced"], ["suppressed"]]
    assert office.wire.carried == []


def test_they_can_be_used_again_and_again(office: UseCases) -> None:
    for _ in range(2):
        letter = office.submit("complained@postroom.test", "bounced@postroom.test", "nobody@postroom.test")
        run(office)
        assert office.statuses(letter) == ["complained", "bounced", "bounced"]
        ((email, origin, source),) = listed(office)
        assert (email, origin) == ("complained@postroom.test", "complaint")
        office.now += timedelta(minutes=1)
    assert source != letter.id, "the first one stays"


def test_who_was_put_on_the_list_by_hand_is_suppressed_on_the_test_domain_too(office: UseCases) -> None:
    office.suppressions.add(Mailbox.parse("delivered+optout@postroom.test"))
    letter = office.submit("delivered+optout@postroom.test", "delivered@postroom.test")
    run(office)
    assert fates(office, letter) == [("suppressed", "manual", 0), ("delivered", None, 1)]


def test_a_letter_that_was_taken_is_complained_about_also_where_its_worker_died(office: UseCases) -> None:
    class Killed(BaseException):
        pass

    def die(_: object) -> None:
        raise Killed

    letter = office.submit("complained@postroom.test")
    task, _ = office.schedule.take()
    with pytest.raises(Killed):
        replace(office.deliver, follow=die)(task)
    assert office.statuses(letter) == ["delivered"]
    office.deliver(task)
    office.deliver(task)
    assert office.statuses(letter) == ["complained"]
    assert listed(office) == [("complained@postroom.test", "complaint", letter.id)]


def test_where_the_test_domain_is_not_set_any_more_its_letters_wait(office: UseCases) -> None:
    letter = office.submit("delivered@postroom.test")
    office.accept = replace(office.accept, routes=replace(office.accept.routes, actors=None))
    office.deliver = office.worker("another")
    run(office)
    assert fates(office, letter) == [("deferred", "no_route", 1)]
    assert office.wire.carried == []


# Only to some.


def test_a_letter_to_others_is_suppressed_as_it_is_accepted(office: UseCases) -> None:
    office.only_to = OnlyTo.parse("qa@example.com, example.net")
    letter = office.submit("bob@example.org", "qa@example.org")
    assert fates(office, letter) == [("suppressed", "only_to", 0)] * 2
    assert office.schedule.put_ == []
    assert {parcel.next_attempt_at for parcel in letter.parcels} == {None}


@pytest.mark.parametrize("route", [None, "other"])
def test_those_who_may_be_written_to_get_it_and_test_recipients_act(office: UseCases, route: str | None) -> None:
    office.only_to = OnlyTo.parse("qa@example.com, example.net")
    letter = office.submit(
        "bob@example.org", "QA@example.com", "ann@example.net", "delivered@postroom.test", route=route
    )
    run(office)
    by_address = {each.address: str(each.status) for each in office.stored(letter).recipients}
    assert by_address == {
        "bob@example.org": "suppressed",
        "QA@example.com": "delivered",
        "ann@example.net": "delivered",
        "delivered@postroom.test": "delivered",
    }
    carried = {recipient for mail in office.wire.carried for recipient in mail.recipients}
    assert carried == {"QA@example.com", "ann@example.net"}


def test_a_letter_that_was_accepted_before_is_not_sent_either(tmp_path: Path) -> None:
    office = UseCases(tmp_path / "before", parse_routes(EVERYTHING_BY_A_RELAY, {}))
    letter = office.submit("bob@example.org", "ann@example.net", "delivered@postroom.test")
    office.only_to = OnlyTo.parse("example.net")
    office.accept = replace(office.accept, routes=replace(office.accept.routes, actors=ACTORS))
    office.deliver = office.worker("another")
    run(office)
    # The last one is in the relay's parcel, and what a relay gets leaves.
    assert fates(office, letter) == [
        ("suppressed", "only_to", 0),
        ("delivered", None, 1),
        ("suppressed", "only_to", 0),
    ]
    assert [mail.recipients for mail in office.wire.carried] == [("ann@example.net",)]
    office.close()


def test_without_a_table_of_routes_the_test_domain_acts_as_well(tmp_path: Path) -> None:
    office = UseCases(tmp_path / "plain", replace(MX_FOR_EVERYTHING, actors=ACTORS))
    letter = office.submit("delivered@postroom.test", "bob@example.net")
    run(office)
    assert office.statuses(letter) == ["delivered", "delivered"]
    assert [mail.recipients for mail in office.wire.carried] == [("bob@example.net",)]
    office.close()
