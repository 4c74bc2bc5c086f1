"""A letter goes at its moment; until then, and as long as no worker has it, its sender may think again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime

from tests.journeys.destination import DROP, Destination, Received
from tests.journeys.office import Office, eventually

EARLY_BY = timedelta(seconds=1)  # that a queue which counts in whole seconds may be
HOUR = timedelta(hours=1)


def soon(seconds: float = 0) -> datetime:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def date_of(letter: Received) -> datetime:
    return parsedate_to_datetime(message_from_bytes(letter.content)["Date"])


def change(office: Office, id_: str, **members: str) -> None:
    assert office.request("PATCH", f"/emails/{id_}", members) == (200, {"object": "email", "id": id_})


def test_a_letter_goes_at_its_moment_and_not_before(office: Office, destination: Destination) -> None:
    at = soon(5)
    id_ = office.send(["ann@timing.example.net", "bob@timing.example.com"], scheduled_at=at.isoformat())
    email = office.email(id_)
    assert (email["last_event"], email["scheduled_at"]) == ("scheduled", f"{at:%Y-%m-%dT%H:%M:%S}.000Z")
    office.wait_for(id_, "delivered", "delivered")
    for attempt in office.attempts(id_):
        assert datetime.fromisoformat(attempt["started_at"]) >= at - EARLY_BY
    assert {date_of(letter) for letter in destination.letters} == {at}


def test_what_was_put_off_waits_and_what_was_brought_forward_goes(office: Office, destination: Destination) -> None:
    put_off = office.send("later@timing.example.net", scheduled_at=soon(4).isoformat())
    change(office, put_off, scheduled_at="in 1 hour")
    at = soon(5)
    brought_forward = office.send("sooner@timing.example.net", scheduled_at="in 2 days")
    change(office, brought_forward, scheduled_at=at.isoformat())
    office.wait_for(brought_forward, "delivered")  # which is after the other's first moment
    (letter,) = destination.letters
    assert (letter.rcpt_tos, date_of(letter)) == (("sooner@timing.example.net",), at)
    assert office.statuses(put_off) == {"later@timing.example.net": "scheduled"}
    status, answer = office.request("PATCH", f"/emails/{brought_forward}", {"scheduled_at": "in 1 hour"})
    assert (status, answer["message"]) == (
        422,
        "Only a scheduled email can be given another time, and this one is delivered.",
    )
    # Resend's clients for Node send no body, those for Python an empty object.
    bodies: tuple[dict[str, str] | None, ...] = (None, {})
    for body in bodies:
        assert office.request("POST", f"/emails/{put_off}/cancel", body) == (200, {"object": "email", "id": put_off})
    assert office.email(put_off)["last_event"] == "canceled"
    assert office.request("PATCH", f"/emails/{put_off}", {"scheduled_at": "in 1 hour"})[0] == 422


def test_of_a_worker_and_a_sender_who_thinks_again_one_is_first(office: Office, destination: Destination) -> None:
    at = soon(3).isoformat()
    ids = {f"r{number}@race.example.net": "" for number in range(24)}
    for address in ids:
        ids[address] = office.send(address, scheduled_at=at)
    eventually(lambda: bool(destination.letters))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda id_: office.request("POST", f"/emails/{id_}/cancel")[0], ids.values()))
    for (address, id_), status in zip(ids.items(), answers, strict=True):
        office.wait_for(id_, "canceled" if status == 200 else "delivered")
        assert len(destination.letters_to(address)) == (0 if status == 200 else 1), (address, status)
        assert status in (200, 422)
    assert 422 in answers


def test_a_letter_that_was_held_goes_once_more_when_it_is_asked_for(office: Office, destination: Destination) -> None:
    destination.data["bob@again.example.net"].append(DROP)
    id_ = office.send("bob@again.example.net", delivery={"on_unknown": "hold"})
    office.wait_for(id_, "unknown")
    answer = office.request("POST", f"/emails/{id_}/retry")
    assert answer == (200, {"object": "email", "id": id_, "recipients": ["bob@again.example.net"]})
    (bob,) = office.wait_for(id_, "delivered")["recipients"]
    assert (bob["possibly_delivered"], bob["attempts"]) == (True, 2)
    assert [attempt["outcome"] for attempt in office.attempts(id_)] == ["unknown", "accepted"]
    # It is the same letter, and only its signature is valid for longer.
    first, second = (letter.content.partition(b"\r\nFrom:") for letter in destination.letters_to(bob["address"]))
    assert first[2] == second[2] != b""
    status, answer = office.request("POST", f"/emails/{id_}/retry")
    assert (status, answer["name"]) == (422, "validation_error")
