"""Reports that meet others at the same letter: each is written over what the other wrote, or comes again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from postroom.delivery.attempt import Attempt
from postroom.delivery.parcel import Lease, Parcel
from postroom.delivery.status import Status
from postroom.ports import Unavailable
from postroom.returns import Busy, Outcome
from tests.api.fakes import Memory
from tests.api.office import NOON, Office
from tests.api.test_bounces import delivered
from tests.doubles.reports import bounce, complaint

ANN, BOB = "ann@home.example", "bob@home.example"


@dataclass
class Contended(Memory):
    """Somebody else does something to the record between a look and a change."""

    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def change(self, parcel: Parcel, attempt: Attempt | None = None) -> Parcel | None:
        if self.meanwhile:
            self.meanwhile.pop()()
        return super().change(parcel, attempt)


@pytest.fixture
def submissions() -> Contended:
    return Contended()


@pytest.fixture
def office(submissions: Contended) -> Office:
    return Office(submissions=submissions, return_path_domain="bounces.shop.example")


def states(office: Office, id_: str) -> list[str]:
    return [str(each.status) for each in office.submissions.stored[id_].recipients]


def return_path(office: Office, id_: str) -> str:
    return office.submissions.stored[id_].return_path


def test_two_reports_at_the_same_time_are_both_recorded(office: Office, submissions: Contended) -> None:
    id_ = delivered(office, to=[ANN, BOB])
    path = return_path(office, id_)
    submissions.meanwhile.append(lambda: assert_read(office, complaint(path, BOB)))
    assert_read(office, bounce(path, ANN))
    assert states(office, id_) == ["bounced", "complained"]


def assert_read(office: Office, report: bytes) -> None:
    assert office.returns(report).outcome is Outcome.READ


def test_of_two_copies_of_a_report_at_the_same_time_one_is_written(office: Office, submissions: Contended) -> None:
    id_ = delivered(office)
    report = bounce(return_path(office, id_), ANN)
    versions: list[Parcel] = []

    def copy() -> None:
        assert_read(office, report)
        versions.extend(office.submissions.stored[id_].parcels)

    submissions.meanwhile.append(copy)
    assert_read(office, report)
    assert office.submissions.stored[id_].parcels[0].version == versions[0].version


def test_a_worker_who_claims_the_parcel_just_then_has_the_report_come_again(
    office: Office, submissions: Contended
) -> None:
    id_ = delivered(office, to=[ANN, BOB])

    def claimed() -> None:
        (parcel,) = submissions.stored[id_].parcels
        assert submissions.change(replace(parcel, lease=Lease("worker", NOON, NOON + timedelta(minutes=1))))

    submissions.meanwhile.append(claimed)
    with pytest.raises(Busy):
        office.returns(bounce(return_path(office, id_), ANN))
    assert states(office, id_) == ["delivered", "delivered"]


def test_a_deferred_recipient_that_bounces_is_not_tried_again_and_the_others_are(office: Office) -> None:
    id_ = delivered(office, Status.DEFERRED, to=[ANN, BOB])
    (parcel,) = office.submissions.stored[id_].parcels
    soon, later = NOON + timedelta(minutes=1), NOON + timedelta(minutes=9)
    waiting = [replace(each, next_attempt_at=at) for each, at in zip(parcel.recipients, (soon, later), strict=True)]
    assert office.submissions.change(replace(parcel, recipients=tuple(waiting), next_attempt_at=soon))
    path = return_path(office, id_)
    assert_read(office, bounce(path, ANN))
    (parcel,) = office.submissions.stored[id_].parcels
    assert (parcel.open, parcel.next_attempt_at) == (True, later)
    assert_read(office, bounce(path, BOB))
    (parcel,) = office.submissions.stored[id_].parcels
    assert (parcel.open, parcel.next_attempt_at) == (False, None)


def test_where_the_list_is_out_of_reach_the_report_comes_again_and_finishes(office: Office) -> None:
    id_ = delivered(office)
    report = bounce(return_path(office, id_), ANN)
    office.directory.down = Unavailable("the directory is out of reach")
    with pytest.raises(Unavailable):
        office.returns(report)
    assert states(office, id_) == ["bounced"]
    office.directory.down = None
    assert_read(office, report)
    assert office.get(f"/suppressions/{ANN}").status_code == 200
