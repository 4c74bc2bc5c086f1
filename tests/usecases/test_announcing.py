"""What is no letter's is told as well: the suppression list, domains, a webhook that was disabled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from postroom.account.domain import SendingDomain
from postroom.account.event import Told
from postroom.account.suppression import Origin, Suppression
from postroom.announcing import Untold
from postroom.domain_register import DomainRegister
from postroom.message.address import Mailbox
from postroom.ports import Unavailable
from tests.usecases.listeners import Listening, fails, ok
from tests.usecases.office import UseCases


@pytest.fixture
def listening(office: UseCases) -> Listening:
    return Listening(office)


def untold(listening: Listening) -> int:
    office = listening.office
    return Untold(log=listening.log, directory=office.directory, schedule=office.schedule, clock=lambda: office.now)()


def told(listening: Listening) -> list[tuple[str, object]]:
    return [(each.type, each.told["data"]) for each in listening.endpoints.heard]


def test_what_is_announced_is_told_to_whoever_wants_such_events(office: UseCases, listening: Listening) -> None:
    listening.webhook("domain.created", endpoint="https://one.example/")
    listening.webhook("domain.created", "email.sent", endpoint="https://two.example/")
    listening.webhook("email.sent", endpoint="https://three.example/")
    listening.announce("domain.created", "name", office.now, {"name": "shop.example"})
    listening.run()
    assert told(listening) == [("domain.created", {"name": "shop.example"})] * 2
    assert {each.url for each in listening.endpoints.heard} == {"https://one.example/", "https://two.example/"}


def test_where_nobody_listens_nothing_is_written(office: UseCases, listening: Listening) -> None:
    listening.announce("domain.created", "name", office.now, {})
    assert office.schedule.notices == []
    assert office.directory.list("event_note") == []
    assert not listening.announce.wants("domain.created")


def test_what_is_announced_twice_is_one_event(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("suppression.added")
    happened = office.now
    listening.announce("suppression.added", "name", happened, {})
    listening.run()
    office.now += timedelta(minutes=1)
    listening.announce("suppression.added", "name", happened, {})
    listening.run()
    assert len(listening.events(webhook)) == len(listening.endpoints.heard) == 1


def test_an_event_that_fails_is_tried_again_as_a_letters_is(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("domain.deleted")
    listening.endpoints.answer = fails
    listening.announce("domain.deleted", "name", office.now, {})
    listening.run()
    listening.endpoints.answer = ok
    listening.wait()
    assert [each.status for each in listening.events(webhook)[0].posts] == [500, 200]


def test_an_event_whose_notice_was_lost_is_told_by_the_sweep(office: UseCases, listening: Listening) -> None:
    webhook = listening.webhook("domain.deleted")
    listening.announce("domain.deleted", "name", office.now, {})
    office.schedule.notices.clear()
    assert untold(listening) == 0, "it may still be on its way"
    office.now += timedelta(minutes=10)
    assert untold(listening) == 1
    listening.run()
    assert [each.status for each in listening.events(webhook)] == [Told.DELIVERED]
    office.now += timedelta(hours=2)
    assert untold(listening) == 0
    assert office.directory.list("event_note") == []


def test_whoever_cannot_be_told_keeps_nothing_from_happening(office: UseCases, listening: Listening) -> None:
    listening.webhook("domain.deleted")
    office.schedule.down = Unavailable("the queue is away")
    listening.announce("domain.deleted", "name", office.now, {})
    assert [str(each) for each in listening.troubled] == ["the queue is away"]
    office.schedule.down = None
    office.now += timedelta(minutes=10)
    assert untold(listening) == 1


def test_the_others_are_told_of_a_webhook_that_was_disabled(office: UseCases, listening: Listening) -> None:
    dead = listening.webhook("email.delivered", "webhook.disabled", endpoint="https://dead.example/")
    listening.webhook("webhook.disabled", endpoint="https://good.example/")
    listening.announce(
        "webhook.disabled", dead.id, office.now, {"id": dead.id, "why": "for a test"}, without=(dead.id,)
    )
    listening.run()
    assert told(listening) == [("webhook.disabled", {"id": dead.id, "why": "for a test"})]
    assert listening.endpoints.heard[0].url == "https://good.example/"


def test_the_suppression_list_tells_what_comes_onto_it_and_goes(office: UseCases, listening: Listening) -> None:
    listening.webhook("suppression.added", "suppression.removed")

    def tell(type_: str, about: Suppression, at: datetime) -> None:
        listening.announce(type_, about.id, at, about.shown())

    suppressions = replace(office.suppressions, told=tell)
    bob = Mailbox.parse("bob@example.net")
    for _ in range(2):  # as a task that comes twice has it
        suppressions.add_for(bob, Origin.BOUNCE, "a letter", office.now)
    suppressions.add_for(bob, Origin.COMPLAINT, "another letter", office.now)
    (entry,) = suppressions.among([bob.key]).values()
    suppressions.remove(entry)
    listening.run()
    shown = entry.shown()
    assert (shown["email"], shown["origin"], shown["source_id"]) == ("bob@example.net", "bounce", "a letter")
    assert told(listening) == [("suppression.added", shown), ("suppression.removed", shown)]


def test_a_domain_tells_when_it_comes_changes_and_goes(office: UseCases) -> None:
    heard: list[tuple[str, bool, bool]] = []
    register = DomainRegister(
        office.directory,
        lambda: office.now,
        timedelta(days=1),
        lambda type_, after, before: heard.append((type_, before.verified, after.verified)),
    )
    made = SendingDomain("an id", "shop.example", False, office.now)
    register.add(made)
    register.add(replace(made, id="another id"))
    register.change("an id", lambda domain: replace(domain, verified=True))
    register.change("an id", lambda domain: domain)
    register.remove("an id")
    assert heard == [("domain.created", False, False), ("domain.updated", False, True), ("domain.deleted", True, False)]
