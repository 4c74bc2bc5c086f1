"""A destination that refuses, stalls or talks nonsense leaves a recorded attempt and a later one."""

from datetime import UTC, datetime, timedelta

from tests.journeys.office import Office, eventually
from tests.journeys.trouble import GONE_TOO, TROUBLES


def test_a_server_that_never_gets_to_mail_is_tried_again(office: Office) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()  # for the tests that follow they must come to an end
    letters = {domain: office.send(f"bob@{domain}", delivery={"expires_at": soon}) for domain in TROUBLES}
    for domain, id_ in letters.items():
        eventually(lambda id_=id_: len(office.attempts(id_)) >= 2, 20, lambda domain=domain: domain)  # type: ignore[misc]
        (bob,) = office.email(id_)["recipients"]
        # On a busy machine their time may be over before the last of them is looked at.
        assert bob["status"] in ("deferred", "sending", "expired"), domain
        assert bob["cause"] == TROUBLES[domain].cause, domain
        assert {attempt["outcome"] for attempt in office.attempts(id_)} == {"deferred"}, domain
        assert all(attempt["note"] for attempt in office.attempts(id_)), domain


def test_what_grows_too_old_expires(office: Office) -> None:
    # Nobody else has found out about this destination yet: it doesn't rest.
    soon = datetime.now(UTC) + timedelta(seconds=2)
    id_ = office.send(f"bob@{GONE_TOO}", delivery={"expires_at": soon.isoformat()})
    (bob,) = office.wait_for(id_, "expired")["recipients"]
    assert bob["cause"] == "connection_refused"
    assert office.email(id_)["last_event"] == "bounced"
