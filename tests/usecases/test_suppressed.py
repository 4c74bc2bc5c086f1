"""Who is on the suppression list is sent nothing, and who bounces beyond doubt comes onto it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.account.suppression import Origin
from postroom.delivery.recipient import Recipient
from postroom.delivery.status import Status
from postroom.delivery.submission import Submission
from postroom.message.address import Mailbox
from postroom.ports import Cursor, NoDomain, Unavailable
from postroom.smtp.envelope import Mail
from postroom.smtp.reply import Reply
from postroom.smtp.verdict import Fate, Stage, Verdict
from tests.delivery.test_bounces import CASES, Case
from tests.usecases.fate import Fate as Doom
from tests.usecases.fate import Killed, Watched
from tests.usecases.office import UseCases, deferred, taken

BOB, ANN = "bob@example.net", "ann@example.net"
GONE = Reply(550, ("5.1.1 no such user",))


def gone(mail: Mail, *who: str) -> tuple[Verdict, ...]:
    """Of those that aren't there; the others are deferred."""
    return tuple(
        Verdict(each, Fate.REFUSED, GONE, stage=Stage.RCPT)
        if not who or each in who
        else Verdict(each, Fate.DEFERRED, Reply(450, ("4.2.1 not now",)))
        for each in mail.recipients
    )


def run(office: UseCases) -> None:
    """Run all tasks that are due, and what they put for now."""
    while due := [each for each in office.schedule.put_ if each[1] <= office.now]:
        office.schedule.put_ = [each for each in office.schedule.put_ if each not in due]
        for task, _ in due:
            office.deliver(task)


def bounced(office: UseCases, address: str = BOB) -> Submission:
    """A letter to an address that isn't there."""
    office.wire.judge = gone
    letter = office.submit(address)
    run(office)
    assert office.statuses(letter) == ["bounced"]
    office.wire.judge = taken
    office.wire.carried.clear()
    office.now += timedelta(minutes=1)
    return letter


def listed(office: UseCases, most: int = 20) -> list[tuple[str, str, str | None]]:
    found = office.suppressions.page(Cursor(limit=most)).items
    return [(each.email, str(each.origin), each.source_id) for each in found]


def fates(office: UseCases, letter: Submission) -> list[tuple[str, str | None, int]]:
    return [(str(each.status), each.cause, each.attempts) for each in office.stored(letter).recipients]


def test_a_letter_to_who_has_bounced_is_not_sent(office: UseCases) -> None:
    first = bounced(office, "Bob@Example.net")
    assert listed(office) == [(BOB, "bounce", first.id)]
    second = office.submit("BOB@example.net")
    run(office)
    assert fates(office, second) == [("suppressed", "bounce", 0)]
    assert office.outcomes(second) == []
    assert (office.wire.carried, office.schedule.put_) == ([], [])


def test_who_is_taken_off_the_list_is_sent_letters_again(office: UseCases) -> None:
    bounced(office)
    office.suppressions.remove_by_addresses([Mailbox.parse(BOB)])
    letter = office.submit(BOB)
    run(office)
    assert office.statuses(letter) == ["delivered"]


def test_the_other_recipients_get_the_letter(office: UseCases) -> None:
    office.suppressions.add(Mailbox.parse(BOB))
    letter = office.submit(BOB, ANN, "carl@example.org")
    run(office)
    assert fates(office, letter) == [("suppressed", "manual", 0), ("delivered", None, 1), ("delivered", None, 1)]
    assert {mail.recipients for mail in office.wire.carried} == {(ANN,), ("carl@example.org",)}
    assert office.outcomes(letter) == ["accepted", "accepted"]


def test_a_deferred_letter_is_not_tried_again_once_its_recipient_is_on_the_list(office: UseCases) -> None:
    office.wire.judge = deferred
    letter = office.submit(BOB, ANN)
    run(office)
    office.suppressions.add_for(Mailbox.parse(BOB), Origin.COMPLAINT, "another", office.now)
    office.now += timedelta(minutes=1)
    office.wire.judge = taken
    run(office)
    assert fates(office, letter) == [("suppressed", "complaint", 1), ("delivered", None, 2)]
    assert [mail.recipients for mail in office.wire.carried] == [(BOB, ANN), (ANN,)]


def test_a_scheduled_letter_is_not_sent_once_its_recipient_is_on_the_list(office: UseCases) -> None:
    letter = office.submit(BOB)
    task, _ = office.schedule.take()
    found = office.submissions.find(letter.id, 0)
    assert found is not None
    later = office.now + timedelta(hours=1)
    waiting = found.parcel.with_open(lambda each: replace(each, status=Status.SCHEDULED, next_attempt_at=later))
    assert office.submissions.change(replace(waiting, next_attempt_at=later))
    office.suppressions.add(Mailbox.parse(BOB))
    office.now = later
    office.deliver(task)
    assert fates(office, letter) == [("suppressed", "manual", 0)]
    assert office.wire.carried == []


def test_who_is_suppressed_is_so_before_anything_else_is_found_wrong(office: UseCases) -> None:
    office.suppressions.add(Mailbox.parse(BOB))
    office.resolver.answer = NoDomain("there is no such domain")
    letter = office.submit(BOB)
    run(office)
    assert fates(office, letter) == [("suppressed", "manual", 0)]


def test_of_who_was_suppressed_nobody_believes_that_a_dead_worker_asked_about_them(office: UseCases) -> None:
    office.suppressions.add(Mailbox.parse(BOB))
    letter = office.submit(BOB, ANN)
    task, _ = office.schedule.take()
    office.die_with(task)
    office.kill_the_last()
    office.now += timedelta(seconds=1)
    office.deliver(task)
    assert fates(office, letter) == [("suppressed", "manual", 0), ("delivered", None, 2)]
    assert [each.possibly_delivered for each in office.stored(letter).recipients] == [False, True]


def test_nothing_is_sent_while_the_list_cannot_be_read(office: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = office.submit(BOB)
    task, _ = office.schedule.take()

    def down(*_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(office.directory, "get_many", down)
        with pytest.raises(Unavailable):
            office.deliver(task)
    assert (office.statuses(letter), office.wire.carried) == (["queued"], [])
    office.deliver(task)
    assert office.statuses(letter) == ["delivered"]


def test_who_comes_again_puts_who_bounced_on_the_list(office: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    office.wire.judge = gone
    letter = office.submit(BOB)
    task, _ = office.schedule.take()

    def down(*_: Any) -> Any:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(office.directory, "create", down)
        with pytest.raises(Unavailable):
            office.deliver(task)
    assert (office.statuses(letter), listed(office)) == (["bounced"], [])
    office.deliver(task)
    assert listed(office) == [(BOB, "bounce", letter.id)]
    assert office.outcomes(letter) == ["refused"]


def test_a_task_that_comes_twice_does_not_put_back_who_was_taken_off(office: UseCases) -> None:
    office.wire.judge = gone
    office.submit(BOB)
    task, _ = office.schedule.take()
    office.deliver(task)
    office.now += timedelta(seconds=1)
    office.suppressions.remove_by_addresses([Mailbox.parse(BOB)])
    office.deliver(task)
    assert listed(office) == []


def test_a_later_attempt_for_others_does_not_put_back_who_was_taken_off(office: UseCases) -> None:
    office.wire.judge = lambda mail: gone(mail, BOB)
    letter = office.submit(BOB, ANN)
    run(office)
    assert office.statuses(letter) == ["bounced", "deferred"]
    office.now += timedelta(minutes=1)
    office.suppressions.remove_by_addresses([Mailbox.parse(BOB)])
    office.wire.judge = taken
    run(office)
    assert office.statuses(letter) == ["bounced", "delivered"]
    assert listed(office) == []


def test_wherever_a_worker_dies_who_bounced_comes_onto_the_list(tmp_path: Path) -> None:
    def lived(folder: Path, strikes_at: int, *, after: bool) -> tuple[Doom, list[Any], Sequence[Recipient]]:
        office, doom = UseCases(folder), Doom(strikes_at, after)
        office.wire.judge = gone
        letter = office.submit(BOB)
        task, _ = office.schedule.take()
        store: Any = Watched("submissions", office.submissions, doom)
        directory: Any = Watched("directory", office.directory, doom)
        office.suppressions = replace(office.suppressions, directory=directory)
        for turn in range(3):  # until it is acknowledged, and once more
            try:
                office.worker(f"doomed-{turn}", store)(task)
            except Killed:
                office.kill_the_last()
            office.now += timedelta(minutes=1)
        office.suppressions = replace(office.suppressions, directory=office.directory)
        made = listed(office), office.stored(letter).recipients
        assert [each.email for each in office.suppressions.page(Cursor(), Origin.BOUNCE).items] == [BOB]
        assert made[0] == [(BOB, "bounce", letter.id)]
        office.close()
        return doom, *made

    calls = lived(tmp_path / "calm", -1, after=False)[0].calls
    assert {"directory.get_many", "submissions.change", "directory.create", "directory.put"} <= set(calls)
    first = calls.index("directory.get", calls.index("directory.create"))  # where the second run begins to look
    for number in range(first):
        for after in (False, True):
            _, _, (bob,) = lived(tmp_path / f"{number}{after}", number, after=after)
            assert bob.status == "bounced", f"killed {'after' if after else 'before'} call {number}, {calls[number]}"


def test_only_a_refusal_that_proves_it_puts_anybody_on_the_list(office: UseCases) -> None:
    """All that real servers have said: at RCPT and for good, with a code 5.1.x, and nothing about us."""
    said = {f"r{number}@example.net": case for number, (_, case) in enumerate(CASES)}

    def judged(mail: Mail) -> tuple[Verdict, ...]:
        return tuple(
            Verdict(each, _fate(said[each]), said[each].reply, stage=said[each].stage) for each in mail.recipients
        )

    office.wire.judge = judged
    letter = office.submit(*said)
    office.deliver(office.schedule.take()[0])
    on_the_list = {email for email, _, _ in listed(office, most=len(said))}
    assert on_the_list == {address for address, case in said.items() if case.expected.suppress}
    assert len(on_the_list) > 10
    for each in office.stored(letter).recipients:
        case = said[each.address]
        assert each.suppress is case.expected.suppress
        if each.suppress:
            assert (each.status, case.stage, case.expected.ours) == ("bounced", Stage.RCPT, False)
            assert str(each.enhanced_code).startswith("5.1.")
            assert each.code != 552


def _fate(case: Case) -> Fate:
    return Fate.REFUSED if case.reply.permanent else Fate.DEFERRED


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(BOB, Fate.REFUSED, GONE, stage=Stage.DATA),
        Verdict(BOB, Fate.REFUSED, GONE, stage=Stage.MAIL),
        Verdict(BOB, Fate.DEFERRED, GONE, cause="turned_away"),  # a relay's greeting
        Verdict(BOB, Fate.REFUSED, Reply(550, ("5.7.1 no such user",)), stage=Stage.RCPT),
        Verdict(BOB, Fate.REFUSED, enhanced="5.1.10", cause="null_mx"),  # no word of any server
        Verdict(BOB, Fate.REFUSED, enhanced="5.1.2", cause="no_such_domain"),
        Verdict(BOB, Fate.UNKNOWN, cause="reply_lost"),
    ],
)
def test_whatever_else_ends_a_letter_costs_nobody_the_next(office: UseCases, verdict: Verdict) -> None:
    office.wire.judge = lambda _: (verdict,)
    office.submit(BOB)
    office.deliver(office.schedule.take()[0])
    assert listed(office) == []
